/**
 * What passed over the wire during one call of an Azure library. The libraries wrap failures in each other until
 * status and code are gone, and what they throw quotes answers; so the wire itself notes what came, and failures are
 * sorted by that. The note follows the call through the libraries by its asynchronous context: one of them (managed
 * identity) sends everything through the first client that the process has made.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** How the last request of a call ended. */
export type Outcome =
  /** Nothing was sent. */
  | { readonly kind: 'unsent' }
  /** No answer, or not all of it; `code` is that of the operating system, of TLS, or of the wire. */
  | { readonly kind: 'silence'; readonly code?: string }
  | Answer;

/** An answer came. */
export interface Answer {
  readonly kind: 'answer';
  readonly status: number;
  /** Whether the request carried a token. */
  readonly authorized: boolean;
  /** Whether the answer asks for a token (`WWW-Authenticate`). */
  readonly challenges: boolean;
  /** What it says, where it is no success and is JSON. */
  readonly error?: unknown;
  readonly requestId?: string;
  readonly retryAfter?: string;
}

const exchanges = new AsyncLocalStorage<Exchange>();

/** One call of a library: several requests where it has to log in or is asked for a token first. */
export class Exchange {
  /** Ends every request of the call. */
  readonly signal: AbortSignal;
  readonly #onAuthorized: (() => void) | undefined;
  #outcome: Outcome = { kind: 'unsent' };
  /** When the token ends that a managed identity was given, in milliseconds since 1970. */
  tokenEndsAt: number | undefined;

  /** `onAuthorized` is told when a request is sent that carries a token. */
  constructor(signal: AbortSignal, onAuthorized?: () => void) {
    this.signal = signal;
    this.#onAuthorized = onAuthorized;
  }

  /** The one that is under way where this is called. */
  static current(): Exchange | undefined {
    return exchanges.getStore();
  }

  /** Runs `call`, whose requests are noted here. */
  run<T>(call: () => Promise<T>): Promise<T> {
    return exchanges.run(this, call);
  }

  /** How its last request ended. */
  get outcome(): Outcome {
    return this.#outcome;
  }

  /** A request goes out. */
  sent(authorized: boolean): void {
    this.#outcome = { kind: 'silence' };
    if (authorized) this.#onAuthorized?.();
  }

  /** The request got an answer, or `silence` instead. */
  ended(outcome: Outcome): void {
    this.#outcome = outcome;
  }
}

/** What a JSON text says; undefined where it is none. */
export function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
