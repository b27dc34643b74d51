/**
 * Who is at the other end of a Unix socket, as the kernel recorded it when the peer connected: SO_PEERCRED (unix(7)).
 * Node has no call for it, so a foreign-function interface makes it, which is loaded with the first reader and not
 * before. The process number is that of this process's own namespace: 0 where the peer is not in it.
 */
import type { Socket } from 'node:net';
import type { PeerCredentials } from '../base/caller.ts';

/** Tells who is at the other end of a socket. Throws where the kernel does not say. */
export type PeerReader = (socket: Socket) => PeerCredentials;

/** Linux: the level and the name of the option (asm-generic/socket.h). */
const [solSocket, soPeerCred] = [1, 17];

/** `struct ucred`: process, user and group, 32 bits each. */
const ucredLength = 12;

/** A reader of peers' credentials. Rejects where the interface cannot be had: another system, or a package left out. */
export async function peerReader(): Promise<PeerReader> {
  const { default: koffi } = await import('koffi');
  const getsockopt = koffi
    .load(null)
    .func('int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ uint32_t *length)');
  return (socket) => {
    const value = Buffer.alloc(ucredLength);
    const length = [ucredLength];
    const result: unknown = getsockopt(descriptorOf(socket), solSocket, soPeerCred, value, length);
    if (result !== 0 || length[0] !== ucredLength) throw new Error('the kernel does not say who the peer is');
    return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
  };
}

/** The descriptor of a socket. Node keeps it in a field of its own, which a test holds against the Node in use. */
function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const descriptor: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof descriptor !== 'number' || descriptor < 0) throw new Error('the socket has no descriptor');
  return descriptor;
}
