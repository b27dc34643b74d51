/** Exit codes of every command, after sysexits(3): a script can tell a bad file from a port in use. */
export const exitCodes = {
  ok: 0,
  /** The command ran and the answer is no. */
  failed: 1,
  /** The command line cannot be read. */
  usage: 64,
  /** Something inside keyproxy failed. */
  internal: 70,
  /** An address, a socket or a file of the system could not be had. */
  startup: 71,
  /** The configuration cannot be used. */
  configuration: 78,
} as const;

/** A command line that cannot be read, with a sentence that says what would be right. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** What a command may use of the process around it. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where relative paths begin. */
  readonly cwd: string;
  out(text: string): void;
  err(text: string): void;
  /** Resolves with the name of the signal that asks the process to end. */
  untilSignal(): Promise<string>;
}

/** One command: runs to its end and returns an exit code. */
export type Command = (args: readonly string[], terminal: Terminal) => Promise<number>;
