/** Serves methods over `@grpc/grpc-js`: one server a listener, so that a call's identity follows from its socket. */
import { setImmediate as immediately } from 'node:timers/promises';
import {
  logVerbosity,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Caller } from '../../base/caller.ts';
import type { Clock } from '../../base/clock.ts';
import { KeyproxyError } from '../../base/errors.ts';
import type { CallObserver, Method } from '../method.ts';
import { accept } from './acceptor.ts';
import { handlerFor } from './calls.ts';
import { refusedMessage } from './refused-message.ts';

export interface ListenerOptions {
  /** `unix:/path` or `host:port`. */
  readonly target: string;
  /** Who everybody on this listener is. */
  readonly caller: Caller;
  /** Whether calls must carry the metadata `keyproxy-request: true`. */
  readonly marked: boolean;
  readonly methods: readonly Method[];
  readonly maxMessageBytes: number;
  readonly observer: CallObserver;
  readonly clock: Clock;
}

export interface Listener {
  /** Lets accepted calls finish and takes no more; ends what is left after `graceMs`. */
  drain(graceMs: number): Promise<void>;
}

/** A transport that cannot tell a large message from an endless one reads up to this many times the limit. */
const readAllowance = 2;

/**
 * Time before the end of a drain at which calls that still wait are told why, in milliseconds: some for the last of
 * them, and some for each, since thousands of statuses take their writers and readers seconds.
 */
const [lastWordMs, lastWordPerCallMs] = [250, 0.4];

/** The most of a drain that this may take away from the calls. */
const lastWordShare = 0.5;

/** When a caller who was told to come again may find another daemon in place, in milliseconds. */
const restartMs = 1000;

/** Binds and serves. Rejects where the address cannot be had. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  // What fails is told once, by keyproxy itself.
  setLogVerbosity(logVerbosity.NONE);
  const server = new Server({
    'grpc.max_receive_message_length': options.maxMessageBytes * readAllowance,
    'grpc.max_send_message_length': -1,
    'grpc-node.max_session_memory': 64,
    // Nobody here reads what channelz counts for every call and message.
    'grpc.enable_channelz': 0,
    interceptors: [refusedMessage(options)],
  });
  const ending = new AbortController();
  const open = new Set<AbortController>();
  const all = services({ ...options, ending: ending.signal, open });
  for (const [definition, implementation] of all) server.addService(definition, implementation);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const acceptor = await accept(options.target, (socket) => injector.injectConnection(socket));
  return {
    async drain(graceMs) {
      // What streams have to tell of the end, a health watch say, gets out before they end.
      await immediately();
      ending.abort(new KeyproxyError('SHUTTING_DOWN'));
      using _lastWord = lastWord(open, { graceMs, clock: options.clock });
      using _end = options.clock.after(graceMs, () => acceptor.cut());
      await Promise.all([shutDown(server), acceptor.close()]);
    },
  };
}

/** Tells the calls that are still open near the end of the grace that it ends; the fewer they are, the later. */
function lastWord(
  open: ReadonlySet<AbortController>,
  { graceMs, clock }: { graceMs: number; clock: Clock },
): Disposable {
  const end = clock.monotonic() + graceMs;
  let timer: Disposable | undefined;
  const tellOrWait = () => {
    const needed = Math.min(graceMs * lastWordShare, lastWordMs + open.size * lastWordPerCallMs);
    const wait = end - needed - clock.monotonic();
    if (wait > 0) timer = clock.after(wait, tellOrWait);
    else for (const call of open) call.abort(new KeyproxyError('SHUTTING_DOWN', { retryAfterMs: restartMs }));
  };
  tellOrWait();
  return { [Symbol.dispose]: () => timer?.[Symbol.dispose]() };
}

function services(
  options: ListenerOptions & { ending: AbortSignal; open: Set<AbortController> },
): [ServiceDefinition, UntypedServiceImplementation][] {
  const byName = new Map<string, [ServiceDefinition, UntypedServiceImplementation]>();
  for (const method of options.methods) {
    const known = byName.get(method.service);
    const [definition, implementation] = known ?? [{}, {}];
    if (known === undefined) byName.set(method.service, [definition, implementation]);
    // Bytes pass through: the codec is the method's own, so that a malformed message gets a status of ours.
    const asIs = {
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    };
    Object.assign(definition, {
      [method.name]: {
        ...asIs,
        path: `/${method.service}/${method.name}`,
        requestStream: method.kind === 'bidi_stream',
        responseStream: method.kind !== 'unary',
      },
    });
    implementation[method.name] = handlerFor(method, options);
  }
  return [...byName.values()];
}

function same(bytes: Buffer): Buffer {
  return bytes;
}

/** Tells every peer to take its next calls elsewhere, and waits for those that are under way. */
function shutDown(server: Server): Promise<void> {
  return new Promise((done) => {
    server.tryShutdown(() => done());
  });
}
