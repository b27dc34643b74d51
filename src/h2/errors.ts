/** How a peer's mistake ends: the stream alone, or the connection with it (RFC 9113 section 5.4). */
import type { ErrorCode } from './frames.ts';

/** Ends the connection: GOAWAY with the code, then the end. The message goes to the peer as debug data. */
export class ConnectionError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.name = 'ConnectionError';
    this.code = code;
  }
}

/** Ends one stream: RST_STREAM with the code; the connection goes on. */
export class StreamError extends Error {
  readonly code: ErrorCode;

  /** Without a stack: a peer may cause as many as it likes, and a stack costs more than all else that a mistake does. */
  constructor(code: ErrorCode, message: string) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'StreamError';
    this.code = code;
  }
}
