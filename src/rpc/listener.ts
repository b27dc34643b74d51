/** Where calls come in: what every transport takes and gives. */
import type { Socket } from 'node:net';
import type { Caller } from '../base/caller.ts';
import type { Clock } from '../base/clock.ts';
import type { Identify } from '../identity/identify.ts';
import type { CallFollower } from './follower.ts';
import type { CallObserver, Method } from './method.ts';

export interface ListenerOptions {
  /** `unix:/path` or `host:port`. */
  readonly target: string;
  /** Who everybody on this listener is. */
  readonly caller: Caller;
  /** Who is on this connection, in the place of `caller`; a connection that it throws for is closed. */
  readonly callerOf?: ((socket: Socket) => Caller) | undefined;
  /** On whose behalf a call runs; absent where its connection tells. Methods that are exempt are for everybody. */
  readonly identify?: Identify | undefined;
  /** Where connections are TLS: what does it, and knows the callers by their certificates. Not for `native`. */
  readonly tls?: TlsGate | undefined;
  /** At a time; more are closed at once. */
  readonly maxConnections: number;
  /** Whether calls must carry the metadata `keyproxy-request: true`. */
  readonly marked: boolean;
  readonly methods: readonly Method[];
  readonly maxMessageBytes: number;
  readonly observer: CallObserver;
  /** Follows the calls of methods that are not exempt; absent where nobody does. */
  readonly follower?: CallFollower | undefined;
  readonly clock: Clock;
}

/** Does TLS on connections that have come in. */
export interface TlsGate {
  /** `onSecure` gets what is inside and who is there, or is never called, and the connection ends. */
  take(socket: Socket, onSecure: (inside: Socket, caller: Caller) => void): void;
}

export interface Listener {
  /** Lets accepted calls finish and takes no more; ends what is left after `graceMs`. */
  drain(graceMs: number): Promise<void>;
}

/** The metadata that a call over TCP must carry, so that no web page can make one. */
export const mark = { name: 'keyproxy-request', value: 'true' } as const;
