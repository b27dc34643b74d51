/**
 * One process for one thing on the disk. Node has no flock(2), and a file with a process id says nothing across
 * containers, whose ids repeat. So a lock is a Unix socket that its holder listens on: the kernel answers for the
 * living and refuses for the dead, however they died. Two processes that start within the same moment over the socket
 * of a dead one can both believe that they hold it.
 */
import { once } from 'node:events';
import { lstat, open, unlink } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { basename, dirname } from 'node:path';
import { codeOf } from './system-code.ts';

/** Longest wait for an answer from whoever holds it, in milliseconds. */
const probeMs = 1_000;

/** What became of an attempt to take a lock. */
export type LockAttempt =
  /** Disposing gives it back. */
  | { readonly kind: 'held'; readonly lock: AsyncDisposable }
  /** Another process has it. */
  | { readonly kind: 'taken' }
  /** There is something else at its path, which stays. */
  | { readonly kind: 'no_socket' }
  /** The system said no. */
  | { readonly kind: 'failed'; readonly cause: unknown };

/** Takes the lock at `path`, which may be of any length. Never rejects. */
export async function takeLock(path: string): Promise<LockAttempt> {
  await using stack = new AsyncDisposableStack();
  try {
    const folder = stack.use(await open(dirname(path)));
    // A socket's address holds 107 bytes (unix(7)); by way of the folder's descriptor the path may be longer.
    const address = `/proc/self/fd/${folder.fd}/${basename(path)}`;
    const found = await lstat(path).catch(() => undefined);
    if (found !== undefined && !found.isSocket()) return { kind: 'no_socket' };
    if (found !== undefined && (await isAnswered(address))) return { kind: 'taken' };
    if (found !== undefined) await unlink(path).catch(() => {});
    const server = createServer((peer) => peer.destroy());
    server.listen(address);
    await once(server, 'listening');
    server.unref();
    // Closing removes the socket by its address, which is good only while the folder is open.
    stack.defer(async () => {
      const closed = once(server, 'close');
      server.close();
      await closed;
    });
    return { kind: 'held', lock: stack.move() };
  } catch (cause) {
    return { kind: 'failed', cause };
  }
}

/** Whether somebody listens on the socket at `address`, or may. */
export function isAnswered(address: string): Promise<boolean> {
  return new Promise((done) => {
    const probe = createConnection({ path: address });
    const end = (isAlive: boolean) => {
      probe.destroy();
      done(isAlive);
    };
    probe.setTimeout(probeMs, () => end(true));
    probe.once('connect', () => end(true));
    // Whoever may not open it, or finds its queue full, must not take it either.
    probe.once('error', (error) => end(!['ECONNREFUSED', 'ENOENT'].includes(codeOf(error))));
  });
}
