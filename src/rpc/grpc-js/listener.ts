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
import { KeyproxyError } from '../../base/errors.ts';
import { accept } from '../acceptor.ts';
import { lastWord } from '../last-word.ts';
import type { Listener, ListenerOptions } from '../listener.ts';
import { handlerFor } from './calls.ts';
import { refusedMessage } from './refused-message.ts';

/** A transport that cannot tell a large message from an endless one reads up to this many times the limit. */
const readAllowance = 2;

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
