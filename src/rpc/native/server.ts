/**
 * A gRPC server on keyproxy's own HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), with prior
 * knowledge and without TLS. It knows messages as bytes and methods by their paths.
 */
import type { Socket } from 'node:net';
import type { Caller } from '../../base/caller.ts';
import type { Clock } from '../../base/clock.ts';
import { Connection } from '../../h2/connection.ts';
import { defaultLimits, type Limits } from '../../h2/limits.ts';
import type { RequestHead } from '../../h2/request.ts';
import type { Stream, StreamUser } from '../../h2/stream.ts';
import { type Acceptor, accept } from '../acceptor.ts';
import { Call, type CallHost } from './call.ts';
import { callHead } from './call-head.ts';
import { type Handler, plainRefusal, type Refusal, type Refused } from './handler.ts';
import { ReadyCalls } from './ready-calls.ts';
import { refuseStream } from './response.ts';
import { type Common, Share } from './share.ts';

export interface GrpcServerOptions {
  /** `unix:/path` or `host:port`. */
  readonly target: string;
  /** By `/package.Service/Method`. */
  readonly handlers: ReadonlyMap<string, Handler>;
  /** Bound on one message of a request, in bytes. */
  readonly maxMessageBytes: number;
  readonly clock: Clock;
  readonly random?: () => number;
  /** Who is on a connection: anonymous where it is not given. A connection that it throws for is closed. */
  readonly callerOf?: ((socket: Socket) => Caller) | undefined;
  readonly limits?: Limits;
  /** At a time; more take the place of one that does nothing, or are closed at once. */
  readonly maxConnections?: number;
  /** A connection was closed because there are too many. */
  readonly onTurnedAway?: () => void;
  /** What is said where the server itself ends a call; `path` where no handler knows of it. */
  readonly refuse?: (refusal: Refusal, path: string | undefined) => Refused;
  /** Told of a failure in the transport itself. */
  readonly onFailure?: (error: unknown) => void;
}

export interface GrpcServer {
  /** The calls that are under way. */
  readonly calls: ReadonlySet<Call>;
  /** Takes no more connections, and asks every peer to begin no more calls. */
  close(): void;
  /** Ends every connection. */
  cut(): void;
  /** Resolves when the last connection has ended. */
  readonly closed: Promise<void>;
  /** Lets calls end, for `graceMs` at most, and ends the server. */
  drain(graceMs: number): Promise<void>;
}

/** Between two looks for what has taken too long, in milliseconds. */
const checkMs = 1_000;

/** Deadlines beyond what timers hold, 24.8 days in milliseconds, are as good as none. */
const longestMs = 2 ** 31 - 1;

/**
 * Answers that wait for peers to make room, in bytes: of one connection, and of all before room is scarce. Above it
 * requests wait too.
 */
const answers = { most: 2 ** 22, mostOfAll: 2 ** 27 } as const;

/** Messages that calls hold, in bytes: of one connection, beside one of the largest size, and of all. */
const messages = { most: 2 ** 26, mostOfAll: 2 ** 28 } as const;

/** Binds and serves. Rejects with the system's error where the address cannot be had. */
export async function serveGrpc(options: GrpcServerOptions): Promise<GrpcServer> {
  const server = new Server(options);
  await server.listen();
  return server;
}

class Server implements GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #limits: Limits;
  readonly #refuse: (refusal: Refusal, path: string | undefined) => Refused;
  readonly #connections = new Set<Connection>();
  readonly #calls = new Set<Call>();
  /** What all connections hold, in bytes. */
  readonly #messages: Common = { bytes: 0 };
  readonly #answers: Common = { bytes: 0 };
  /** Calls whose time is not watched yet. */
  #fresh: { readonly call: Call; readonly end: number }[] = [];
  #acceptor: Acceptor | undefined;
  readonly #closed = Promise.withResolvers<void>();
  #isClosing = false;

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    this.#limits = options.limits ?? defaultLimits;
    this.#refuse = options.refuse ?? plainRefusal;
  }

  get calls(): ReadonlySet<Call> {
    return this.#calls;
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  async listen(): Promise<void> {
    const { target, maxConnections = Number.POSITIVE_INFINITY, onTurnedAway } = this.#options;
    this.#acceptor = await accept(target, {
      maxConnections,
      onConnection: (socket) => this.#take(socket),
      makeRoom: () => this.#makeRoom(),
      ...(onTurnedAway !== undefined && { onTurnedAway }),
    });
    this.#checkLater();
  }

  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#acceptor?.close().then(this.#closed.resolve, this.#closed.reject);
    for (const connection of this.#connections) connection.goAway();
  }

  cut(): void {
    this.#acceptor?.cut();
  }

  async drain(graceMs: number): Promise<void> {
    this.close();
    using _end = this.#options.clock.after(graceMs, () => this.cut());
    await this.closed;
  }

  #checkLater(): void {
    this.#options.clock.after(checkMs, () => {
      for (const connection of this.#connections) connection.check();
      if (!this.#isClosing || this.#connections.size > 0) this.#checkLater();
    });
  }

  #take(socket: Socket): void {
    const { clock, random = Math.random, onFailure } = this.#options;
    socket.setNoDelay(true);
    const waiting = new Share({ ...answers, common: this.#answers });
    const queue = new ReadyCalls(() => waiting.isInside);
    const host = this.#hostOf(socket, queue);
    if (host === undefined) {
      socket.destroy();
      return;
    }
    const connection: Connection = new Connection(socket, {
      clock,
      random,
      limits: this.#limits,
      onStream: (stream, request) => this.#onStream(stream, request, host),
      onTooLarge: (stream) => refuseStream(stream, '431'),
      onPause: () => queue.run(),
      onHeld: (bytes) => waiting.add(bytes),
      onClosed: () => this.#connections.delete(connection),
      ...(onFailure !== undefined && { onFailure }),
    });
    this.#connections.add(connection);
    if (this.#isClosing) connection.goAway();
  }

  /** Has the connection go that has done nothing for the longest time; whether there is one. */
  #makeRoom(): boolean {
    let [longest, since]: [Connection | undefined, number] = [undefined, Number.POSITIVE_INFINITY];
    for (const connection of this.#connections) {
      const { idleSince } = connection;
      if (idleSince !== undefined && idleSince < since) [longest, since] = [connection, idleSince];
    }
    longest?.leave();
    return longest !== undefined;
  }

  /** What the calls of a connection share; undefined where nobody can say who is on it. */
  #hostOf(socket: Socket, queue: ReadyCalls): CallHost | undefined {
    const { maxMessageBytes, callerOf, onFailure } = this.#options;
    let caller: Caller = { kind: 'anonymous' };
    try {
      caller = callerOf?.(socket) ?? caller;
    } catch (error) {
      onFailure?.(error);
      return undefined;
    }
    return {
      caller,
      maxMessageBytes,
      held: new Share({ ...messages, most: messages.most + maxMessageBytes, common: this.#messages }),
      refuse: this.#refuse,
      ready: (call) => queue.add(call),
      deadline: (call, milliseconds) => this.#watchLater(call, milliseconds),
      ended: (call) => {
        this.#calls.delete(call);
        queue.drop(call);
      },
    };
  }

  #onStream(stream: Stream, request: RequestHead, host: CallHost): StreamUser {
    const head = callHead(request);
    if (head.kind === 'not grpc') refuseStream(stream, head.status);
    else if (head.kind !== 'call') refuseStream(stream, this.#refuse(head, request.path).status);
    else {
      const handler = this.#options.handlers.get(request.path);
      if (handler !== undefined) {
        const call = new Call(stream, request, { head, handler, host });
        if (!call.isOver) this.#calls.add(call);
        return call;
      }
      refuseStream(stream, this.#refuse({ kind: 'unknown method' }, undefined).status);
    }
    return nobody;
  }

  /**
   * Most calls end in the turn that they came in, and need no timer; the others get theirs at its end. The time counts
   * from the call's start.
   */
  #watchLater(call: Call, milliseconds: number): void {
    const { clock } = this.#options;
    if (milliseconds > longestMs) return;
    if (this.#fresh.length === 0) setImmediate(() => this.#watch());
    this.#fresh.push({ call, end: clock.monotonic() + milliseconds });
  }

  #watch(): void {
    const { clock } = this.#options;
    const fresh = this.#fresh;
    this.#fresh = [];
    for (const { call, end } of fresh) {
      if (call.isOver && call.isTold) continue;
      call.runOutBy(clock.after(end - clock.monotonic(), () => call.expire()));
    }
  }
}

/** Whoever is told of a stream that has ended. */
const nobody: StreamUser = { onData() {}, onEnd() {}, onDrained() {}, onReset() {} };
