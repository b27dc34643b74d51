/** Binds the listeners of applications: each with its transport, and with its ways to tell who calls. */
import type { Socket } from 'node:net';
import type { Caller } from '../base/caller.ts';
import type { Clock } from '../base/clock.ts';
import type { DaemonConfig } from '../config/daemon-file.ts';
import type { Listener as ListenerConfig } from '../config/listener.ts';
import { peerReader } from '../identity/peer-credentials.ts';
import type { Listener, ListenerOptions } from '../rpc/listener.ts';
import type { Method } from '../rpc/method.ts';
import type { Identities } from './identities.ts';
import { StartupError } from './startup-error.ts';
import { claimSocket, withSocketMode } from './unix-socket.ts';

export interface BindOptions {
  readonly methods: readonly Method[];
  readonly config: DaemonConfig;
  readonly observer: ListenerOptions['observer'];
  readonly follower?: ListenerOptions['follower'];
  readonly identities: Identities;
  readonly clock: Clock;
}

/** The transports; each is loaded where a listener wants it. */
const transports: Readonly<
  Record<ListenerConfig['transport'], () => Promise<(options: ListenerOptions) => Promise<Listener>>>
> = {
  native: async () => (await import('../rpc/native/listener.ts')).listen,
  'grpc-js': async () => (await import('../rpc/grpc-js/listener.ts')).listen,
};

/** Binds one listener. Throws a StartupError where the address cannot be had. */
export async function bindListener(entry: ListenerConfig, options: BindOptions): Promise<Listener> {
  const target = entry.kind === 'unix' ? `unix:${entry.path}` : `${bracketed(entry.host)}:${entry.port}`;
  const serve = async () => {
    const { config, identities, methods, observer, follower, clock } = options;
    const listen = await transports[entry.transport]();
    return await listen({
      ...{ target, methods, observer, follower, clock },
      ...{ maxMessageBytes: config.maxMessageBytes, maxConnections: config.maxConnections },
      caller: entry.kind === 'unix' ? { kind: 'socket' } : { kind: 'anonymous' },
      callerOf: entry.kind === 'unix' && entry.peerCredentials ? await knownPeer() : undefined,
      marked: entry.kind === 'tcp',
      ...identities.of(entry.identity),
    });
  };
  try {
    if (entry.kind === 'tcp') return await serve();
    await claimSocket(entry.path);
    return await withSocketMode(entry.path, entry.mode, serve);
  } catch (error) {
    throw asStartupError(error, target);
  }
}

/** Has the kernel say who is at the other end. */
async function knownPeer(): Promise<(socket: Socket) => Caller> {
  try {
    const read = await peerReader();
    return (socket) => ({ kind: 'socket', peer: read(socket) });
  } catch (error) {
    throw new StartupError('peer_credentials needs Linux and the package koffi, which cannot be loaded', error);
  }
}

/** A host as it stands before a port. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Why nothing listens on `target`, for the operator. */
export function asStartupError(error: unknown, target: string): StartupError {
  if (error instanceof StartupError) return error;
  const text = error instanceof Error ? `${'code' in error ? error.code : ''} ${error.message}` : '';
  const why = text.includes('EADDRINUSE')
    ? 'the address is in use; stop the process that holds it or choose another'
    : text.includes('EACCES')
      ? 'permission denied'
      : text.includes('EADDRNOTAVAIL')
        ? 'the address is not one of this machine'
        : 'the system refused it';
  return new StartupError(`cannot listen on ${target}: ${why}`, error);
}
