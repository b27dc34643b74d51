/**
 * The seam between transports and services: a method is a path and a plain function of caller, bytes and signal.
 * Whatever moves the bytes serves the same methods, and a test can call them in process.
 */
import type { Caller } from '../base/caller.ts';
import type { Reason } from '../base/errors.ts';
import type { Reply } from './reply.ts';

interface Named {
  /** `package.Service`. */
  readonly service: string;
  readonly name: string;
  /** Whether a call over TCP may come without the metadata `keyproxy-request: true`: probes and tools. */
  readonly exempt: boolean;
}

export interface UnaryMethod extends Named {
  readonly kind: 'unary';
  /** Rejects with a `KeyproxyError`, or with the signal's reason. */
  handle(caller: Caller, request: Buffer, signal: AbortSignal): Promise<Reply>;
}

export interface ServerStreamMethod extends Named {
  readonly kind: 'server_stream';
  handle(caller: Caller, request: Buffer, signal: AbortSignal): AsyncIterable<Reply>;
}

export interface BidiStreamMethod extends Named {
  readonly kind: 'bidi_stream';
  handle(caller: Caller, requests: AsyncIterable<Buffer>, signal: AbortSignal): AsyncIterable<Reply>;
}

export type Method = UnaryMethod | ServerStreamMethod | BidiStreamMethod;

/** Told of every call, once at its start and once at its end. */
export interface CallObserver {
  started(method: Method): void;
  /** `code` is a canonical name, `OK` included; `reason` is there where the call failed. */
  handled(method: Method, code: string, seconds: number, reason?: Reason): void;
  /** A failure that is keyproxy's own, with what the log may know. */
  failed(method: Method, error: Error): void;
  /** A failure of the transport itself, of which no call knows. */
  broke(error: unknown): void;
  /** A connection was closed because there are as many as may be. */
  turnedAway(): void;
}
