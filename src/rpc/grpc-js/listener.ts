/** Serves methods over `@grpc/grpc-js`: one server a listener, so that a call's identity follows from its socket. */
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Caller } from '../../base/caller.ts';
import type { Clock } from '../../base/clock.ts';
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

/** Binds and serves. Rejects where the address cannot be had. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const server = new Server({
    'grpc.max_receive_message_length': options.maxMessageBytes * readAllowance,
    'grpc.max_send_message_length': -1,
    'grpc-node.max_session_memory': 64,
    interceptors: [refusedMessage(options)],
  });
  for (const [definition, implementation] of services(options)) server.addService(definition, implementation);
  await new Promise<void>((done, fail) => {
    server.bindAsync(options.target, ServerCredentials.createInsecure(), (error) => (error ? fail(error) : done()));
  });
  return { drain: (graceMs) => drain(server, graceMs) };
}

function services(options: ListenerOptions): [ServiceDefinition, UntypedServiceImplementation][] {
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

function drain(server: Server, graceMs: number): Promise<void> {
  return new Promise((done) => {
    const force = setTimeout(() => {
      server.forceShutdown();
      done();
    }, graceMs);
    server.tryShutdown(() => {
      clearTimeout(force);
      done();
    });
  });
}
