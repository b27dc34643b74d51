/** What a gRPC server serves, on keyproxy's own HTTP/2. The four kinds of call, with bytes for messages. */
import type { Caller } from '../../base/caller.ts';
import type { HeaderList } from '../../h2/hpack/field.ts';
import type { Reply } from '../reply.ts';

/** One call, as its handler sees it. */
export interface ServerCall {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** Who calls, as far as the connection tells. */
  readonly caller: Caller;
  /** What the client calls the server. */
  readonly authority: string;
  /** The request's fields, metadata among them; `-bin` values are base64. */
  readonly headers: HeaderList;
  /** Aborted with the reason when the caller gives up, its deadline passes, or the server ends. */
  readonly signal: AbortSignal;
  /** Whether the first message came compressed. */
  readonly requestWasCompressed: boolean;
  /** Compresses the answers that follow with gzip, where the caller accepts it; to be set before the first one. */
  compress: boolean;
  /** Adds metadata to the answer's head. Has no effect after the first answer. */
  addHeaders(fields: HeaderList): void;
  /** Adds metadata to the answer's end. */
  addTrailers(fields: HeaderList): void;
}

/**
 * A method. It rejects with a `StatusError`; anything else ends the call with INTERNAL. The requests are the method's to
 * keep.
 */
export type Handler =
  | { readonly kind: 'unary'; handle(request: Buffer, call: ServerCall): Promise<Reply> }
  | { readonly kind: 'client_stream'; handle(requests: AsyncIterable<Buffer>, call: ServerCall): Promise<Reply> }
  | { readonly kind: 'server_stream'; handle(request: Buffer, call: ServerCall): AsyncIterable<Reply> }
  | { readonly kind: 'bidi_stream'; handle(requests: AsyncIterable<Buffer>, call: ServerCall): AsyncIterable<Reply> };

/** How a call ended that did not end with OK. */
export interface Status {
  /** A canonical code, https://grpc.github.io/grpc/core/md_doc_statuscodes.html. */
  readonly code: number;
  readonly message: string;
  readonly trailers?: HeaderList;
}

/** Ends a call with a status. */
export class StatusError extends Error {
  readonly status: Status;

  constructor(status: Status) {
    super(status.message);
    this.name = 'StatusError';
    this.status = status;
  }
}

/** Why the server ends a call by itself. */
export type Refusal =
  | { readonly kind: 'unknown method' }
  /** `what` names what was wrong, and never what came. */
  | { readonly kind: 'malformed'; readonly what: string }
  | { readonly kind: 'unknown encoding' }
  | { readonly kind: 'message too large'; readonly size: number | undefined; readonly limit: number }
  /** The messages under way on one connection are too large together. */
  | { readonly kind: 'too much at once' }
  | { readonly kind: 'deadline' }
  | { readonly kind: 'cancelled' }
  /** The handler threw what is no status. */
  | { readonly kind: 'failed'; readonly error: unknown };

/** What is said to the caller, and what the handler is told. */
export interface Refused {
  readonly status: Status;
  readonly reason: unknown;
}

/** Codes and words for refusals where the server has none of its own. */
export function plainRefusal(refusal: Refusal): Refused {
  const [code, message] = plainWords(refusal);
  const status = { code, message };
  return { status, reason: new StatusError(status) };
}

function plainWords(refusal: Refusal): [code: number, message: string] {
  switch (refusal.kind) {
    case 'unknown method':
      return [12, 'no method of this name is offered here'];
    case 'malformed':
      return [13, refusal.what];
    case 'unknown encoding':
      return [12, 'the encoding of the messages is not known here'];
    case 'message too large':
      return [8, `the message is over ${refusal.limit} bytes`];
    case 'too much at once':
      return [8, 'the messages under way are too large together'];
    case 'deadline':
      return [4, 'the deadline has passed'];
    case 'cancelled':
      return [1, 'the caller gave up'];
    case 'failed':
      return [2, 'the server failed'];
  }
}
