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

/** Time before the end of a drain at which calls that still wait are told why, in milliseconds. */
const lastWordMs = 250;

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
  const port = await new Promise<number>((done, fail) => {
    server.bindAsync(options.target, ServerCredentials.createInsecure(), (error, bound) =>
      error ? fail(error) : done(bound),
    );
  });
  // The name under which grpc-js knows what it bound: with the port that the system chose, where it did.
  const bound = options.target.replace(/:0$/, `:${port}`);
  return {
    async drain(graceMs) {
      // What streams have to tell of the end, a health watch say, gets out before they end.
      await immediately();
      ending.abort(new KeyproxyError('SHUTTING_DOWN'));
      const last = options.clock.after(Math.max(0, graceMs - lastWordMs), () => {
        for (const call of open) call.abort(new KeyproxyError('SHUTTING_DOWN', { retryAfterMs: restartMs }));
      });
      await drain(server, bound, graceMs);
      last[Symbol.dispose]();
    },
  };
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

/**
 * `forceShutdown` of grpc-js forgets the connections of a server without channelz (1.14.7); its `drain` ends them after
 * the grace.
 */
function drain(server: Server, target: string, graceMs: number): Promise<void> {
  server.drain(target, graceMs);
  return new Promise((done) => {
    server.tryShutdown(() => done());
  });
}
