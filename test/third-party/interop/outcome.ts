/**
 * What a client of ours does with another's library, in whatever language, and what it prints: one JSON object. Client
 * programs: `client.py`, `node-client.ts`, and `modules/grpcgo`, `modules/grpcjava` and `modules/grpccpp`.
 */

export interface Outcome {
  /** What the client called the server, without being told to; the server gives it back. */
  readonly authority: string;
  /** Size of the answer of a unary call with 271828 bytes that asks for 314159. */
  readonly unary: number;
  /** That call's metadata as it came back before the answer, and after it, in hexadecimal digits. */
  readonly initial: string;
  readonly trailing: string;
  /** Sizes of the answers of one stream, each asked for when the one before has come. */
  readonly streamed: readonly number[];
  /** Code and message of a call that asks to be refused. */
  readonly code: number;
  readonly message: string;
}

/** What has to come back, whoever asks. */
export const expected: Omit<Outcome, 'authority'> = {
  unary: 314_159,
  initial: 'said at the beginning',
  trailing: '0001feff',
  streamed: [31_415, 9, 2653, 58_979],
  code: 5,
  message: 'nobody of that name: Zoë ☺',
};
