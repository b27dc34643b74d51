/** Where bytes go: a descriptor that may take fewer than it is given, or none for now. */
import { fstatSync, write } from 'node:fs';

/** Writes from `offset`; resolves with how many bytes were taken, rejects with the system's error. */
export type WriteBytes = (fd: number, bytes: Buffer, offset: number, length: number) => Promise<number>;

/** The system's own, in the thread pool. */
export const systemWrite: WriteBytes = (fd, bytes, offset, length) =>
  new Promise((done, fail) => {
    write(fd, bytes, offset, length, null, (error, count) => (error === null ? done(count) : fail(error)));
  });

/** What the log is written to. */
export interface Output extends AsyncDisposable {
  /** Where the chain goes on. */
  readonly end: ChainEnd;
  /** Takes some of the bytes from `offset` on, at least one, and tells how many. Rejects with the system's error. */
  write(bytes: Buffer, offset: number): Promise<number>;
  /** A block was written to its end; the next one may go elsewhere. Never rejects. */
  between(end: ChainEnd): Promise<void> | undefined;
}

/** The last block of a chain. */
export interface ChainEnd {
  /** 0 before the first. */
  readonly block: number;
  /** Of the last entry. */
  readonly seq: number;
  readonly hash: string;
}

/** Others write whole lines into the same pipe: this many bytes at a time are not torn apart (`PIPE_BUF`, pipe(7)). */
const wholeBytes = 4096;

const newline = 0x0a;

/**
 * Standard output, which the log of the process shares. Each start of the process begins a chain of its own there. Into
 * a pipe or a socket goes no piece that ends inside a line, unless a line is longer than the system keeps whole.
 */
export function standardOutput(end: ChainEnd, writeBytes: WriteBytes, fd = 1): Output {
  const kind = fstatSync(fd);
  const isShared = kind.isFIFO() || kind.isSocket();
  return {
    end,
    write: (bytes, offset) =>
      writeBytes(fd, bytes, offset, isShared ? pieceLength(bytes, offset) : bytes.length - offset),
    between: () => undefined,
    [Symbol.asyncDispose]: async () => {},
  };
}

function pieceLength(bytes: Buffer, offset: number): number {
  if (bytes.length - offset <= wholeBytes) return bytes.length - offset;
  const last = bytes.lastIndexOf(newline, offset + wholeBytes - 1);
  const end = last >= offset ? last : bytes.indexOf(newline, offset);
  return end + 1 - offset;
}
