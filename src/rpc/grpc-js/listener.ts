/** Serves methods over `@grpc/grpc-js`: one server a caller, so that a call's identity follows from its socket. */
import type { Socket } from 'node:net';
import { setImmediate as immediately } from 'node:timers/promises';
import {
  type ConnectionInjector,
  logVerbosity,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { type Caller, callerName } from '../../base/caller.ts';
import { KeyproxyError } from '../../base/errors.ts';
import { accept } from '../acceptor.ts';
import { lastWord } from '../last-word.ts';
import type { Listener, ListenerOptions } from '../listener.ts';
import { handlerFor } from './calls.ts';
import { refusedMessage } from './refused-message.ts';

/** Calls at a time on one connection. */
const maxStreams = 1024;
/** How long a connection may be without a call, and what is under way may take when its age is over, in milliseconds. */
const idleMs = 60_000;
/** Age at which a connection is asked to come anew, in milliseconds: certificates are looked at when it does. */
const maxAgeMs = 1_800_000;
/** A transport that cannot tell a large message from an endless one reads up to this many times the limit. */
const readAllowance = 2;

/** Binds and serves. Rejects where the address cannot be had. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  // What fails is told once, by keyproxy itself.
  setLogVerbosity(logVerbosity.NONE);
  const ending = new AbortController();
  const open = new Set<AbortController>();
  const servers = new Servers({ ...options, ending: ending.signal, open });
  const { target, maxConnections, tls, caller } = options;
  const onConnection = (socket: Socket) => {
    if (tls === undefined) servers.take(socket, caller);
    else tls.take(socket, (inside, who) => servers.take(inside, who));
  };
  const onTurnedAway = () => options.observer.turnedAway();
  const acceptor = await accept(target, { maxConnections, onConnection, onTurnedAway });
  return {
    async drain(graceMs) {
      // What streams have to tell of the end, a health watch say, gets out before they end.
      await immediately();
      ending.abort(new KeyproxyError('SHUTTING_DOWN'));
      using _lastWord = lastWord(open, { graceMs, clock: options.clock });
      using _end = options.clock.after(graceMs, () => acceptor.cut());
      await Promise.all([servers.shutDown(), acceptor.close()]);
    },
  };
}

interface OneServer {
  readonly server: Server;
  readonly injector: ConnectionInjector;
  connections: number;
}

/**
 * A server for each caller: grpc-js does not say which connection a call came on, and to ask each call for its
 * certificate costs more than the call.
 */
class Servers {
  readonly #options: ListenerOptions & { readonly ending: AbortSignal; readonly open: Set<AbortController> };
  readonly #byName = new Map<string, OneServer>();

  constructor(options: ListenerOptions & { readonly ending: AbortSignal; readonly open: Set<AbortController> }) {
    this.#options = options;
  }

  /** Serves a connection of the caller's. */
  take(socket: Socket, caller: Caller): void {
    const name = callerName(caller);
    const one = this.#byName.get(name) ?? this.#open(caller);
    this.#byName.set(name, one);
    one.connections += 1;
    socket.once('close', () => {
      one.connections -= 1;
      if (one.connections > 0) return;
      this.#byName.delete(name);
      one.server.forceShutdown();
    });
    one.injector.injectConnection(socket);
  }

  /** Tells every peer to take its next calls elsewhere, and waits for those that are under way. */
  async shutDown(): Promise<void> {
    await Promise.all(
      [...this.#byName.values()].map(({ server }) => new Promise<void>((done) => server.tryShutdown(() => done()))),
    );
  }

  #open(caller: Caller): OneServer {
    const server = new Server({
      'grpc.max_receive_message_length': this.#options.maxMessageBytes * readAllowance,
      'grpc.max_send_message_length': -1,
      'grpc-node.max_session_memory': 64,
      'grpc.max_concurrent_streams': maxStreams,
      'grpc.max_connection_idle_ms': idleMs,
      'grpc.max_connection_age_ms': maxAgeMs,
      'grpc.max_connection_age_grace_ms': idleMs,
      // Nobody here reads what channelz counts for every call and message.
      'grpc.enable_channelz': 0,
      interceptors: [refusedMessage(this.#options)],
    });
    const all = services({ ...this.#options, caller });
    for (const [definition, implementation] of all) server.addService(definition, implementation);
    return { server, injector: server.createConnectionInjector(ServerCredentials.createInsecure()), connections: 0 };
  }
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
