/** A gRPC server of `src/rpc/native` on a socket of its own, with a clock that the test moves, and clients for it. */
import { join } from 'node:path';
import { defaultLimits, type Limits } from '../../src/h2/limits.ts';
import { type Handler, plainRefusal, type Refusal, type ServerCall } from '../../src/rpc/native/handler.ts';
import { type GrpcServer, serveGrpc } from '../../src/rpc/native/server.ts';
import { type Reply, replyOf } from '../../src/rpc/reply.ts';
import { temporaryFolder } from './daemon.ts';
import { FakeClock } from './fake-clock.ts';
import { FrameClient } from './frame-client.ts';

const long = 2 ** 40;
/** Limits of time that never come: a test moves the clock for other reasons. */
const patient = {
  ...{ handshakeMs: long, headerBlockMs: long, settingsAckMs: long, stallMs: long },
  ...{ idleMs: long, silenceMs: long, pingMs: long, maxAgeMs: long },
};

export interface GrpcSceneOptions {
  /** By name; each is offered as `/test.Test/Name`. */
  readonly handlers: Readonly<Record<string, Handler>>;
  readonly maxMessageBytes?: number;
  readonly limits?: Partial<Limits>;
  readonly maxConnections?: number;
}

export interface GrpcScene extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly server: GrpcServer;
  readonly client: FrameClient;
  /** Of its socket. */
  readonly path: string;
  /** How many connections were closed because there were too many. */
  turnedAway(): number;
  /** What the server was asked for the words of, with the path that it gave. */
  readonly refusals: { readonly kind: Refusal['kind']; readonly path: string | undefined }[];
  /** A client more. */
  connect(own?: readonly (readonly [number, number])[]): Promise<FrameClient>;
}

export async function grpcScene({
  handlers,
  maxMessageBytes = 1_000_000,
  limits,
  maxConnections = 100,
}: GrpcSceneOptions): Promise<GrpcScene> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const path = join(folder.path, 's');
  const clock = new FakeClock();
  const refusals: GrpcScene['refusals'] = [];
  let turnedAway = 0;
  const server = await serveGrpc({
    target: `unix:${path}`,
    handlers: new Map(Object.entries(handlers).map(([name, handler]) => [`/test.Test/${name}`, handler])),
    maxConnections,
    onTurnedAway: () => {
      turnedAway += 1;
    },
    ...{ maxMessageBytes, clock, limits: { ...defaultLimits, ...patient, ...limits } },
    refuse(refusal, at) {
      refusals.push({ kind: refusal.kind, path: at });
      return plainRefusal(refusal);
    },
  });
  stack.defer(async () => {
    server.close();
    server.cut();
    await server.closed;
  });
  const clients: FrameClient[] = [];
  stack.defer(() => {
    for (const each of clients) each[Symbol.dispose]();
  });
  const connect = async (own?: readonly (readonly [number, number])[]) => {
    const made = await FrameClient.connect(path, own);
    clients.push(made);
    return made;
  };
  const client = await connect();
  const rest = stack.move();
  const figures = { path, turnedAway: () => turnedAway };
  return { clock, server, client, refusals, connect, ...figures, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

/** An answer that notes whether it was written and disposed of. */
export interface WatchedReply extends Reply {
  readonly events: string[];
}

export function watchedReply(text: string): WatchedReply {
  const events: string[] = [];
  const reply = replyOf(Buffer.from(text));
  return {
    events,
    size: reply.size,
    writeTo(target, at) {
      events.push('written');
      reply.writeTo(target, at);
    },
    [Symbol.dispose]: () => void events.push('disposed'),
  };
}

/** A handler that a test holds in its hand: what came in, and the promise of what goes out. */
export interface HeldCall {
  readonly request: Buffer;
  readonly call: ServerCall;
  answer(reply: Reply): void;
  fail(error: unknown): void;
}

/** A unary method whose calls wait for the test. */
export function heldUnary(): { readonly handler: Handler; readonly calls: HeldCall[]; next(): Promise<HeldCall> } {
  const calls: HeldCall[] = [];
  const waiters: ((call: HeldCall) => void)[] = [];
  return {
    calls,
    handler: {
      kind: 'unary',
      handle(request, call) {
        const { promise, resolve, reject } = Promise.withResolvers<Reply>();
        const held: HeldCall = { request, call, answer: resolve, fail: reject };
        calls.push(held);
        waiters.shift()?.(held);
        return promise;
      },
    },
    next: () => new Promise((done) => waiters.push(done)),
  };
}

/** The four kinds, each giving back what it gets. */
export const echo: Readonly<Record<'Unary' | 'Collect' | 'Split' | 'Echo', Handler>> = {
  Unary: { kind: 'unary', handle: async (request) => replyOf(request) },
  /** All of them in one, with bars between. */
  Collect: {
    kind: 'client_stream',
    async handle(requests) {
      const texts: string[] = [];
      for await (const request of requests) texts.push(request.toString());
      return replyOf(Buffer.from(texts.join('|')));
    },
  },
  /** The parts of one, between bars. */
  Split: {
    kind: 'server_stream',
    async *handle(request) {
      for (const part of request.toString().split('|')) yield replyOf(Buffer.from(part));
    },
  },
  Echo: {
    kind: 'bidi_stream',
    async *handle(requests) {
      for await (const request of requests) yield replyOf(request);
    },
  },
};
