/** One unary call as bytes, to any server on a Unix socket; and waiting for a server by its first answer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, credentials, Metadata } from '@grpc/grpc-js';

/** What is called, and with which message. */
export interface OneCall {
  /** Path of the server's Unix socket. */
  readonly socket: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly request: Buffer;
  /** Metadata that goes with it. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Wait between two tries and for all of them, in milliseconds. */
const [pauseMs, deadlineMs] = [20, 20_000];

/** The answer's bytes. Rejects with grpc-js's ServiceError where the call fails. */
export function answerOf({ socket, path, request, metadata = {} }: OneCall): Promise<Buffer> {
  const client = new Client(`unix:${socket}`, credentials.createInsecure());
  const same = (message: Buffer) => message;
  const headers = new Metadata();
  for (const [name, value] of Object.entries(metadata)) headers.set(name, value);
  return new Promise<Buffer>((done, fail) => {
    client.makeUnaryRequest(path, same, same, request, headers, (error, answer) => {
      if (error !== null || answer === undefined) fail(error ?? new Error(`${path} had no answer`));
      else done(answer);
    });
  }).finally(() => client.close());
}

/** The first answer of a server that starts. Rejects where `hasEnded`, or after 20 s. */
export async function firstAnswerOf(call: OneCall, hasEnded: () => boolean): Promise<Buffer> {
  for (const deadline = performance.now() + deadlineMs; ; await sleep(pauseMs)) {
    try {
      return await answerOf(call);
    } catch (error) {
      if (hasEnded()) throw new Error('a server ended at its start', { cause: error });
      if (performance.now() > deadline) throw error;
    }
  }
}
