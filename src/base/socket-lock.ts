/**
 * One process for one thing on the disk. Node has no flock(2), and a file with a process id says nothing across
 * containers, whose ids repeat. So a lock is a Unix socket that its holder listens on: the kernel answers for the
 * living and refuses for the dead, however they died.
 *
 * Whoever wants it listens under a name of its own first, and then gives the socket the lock's name with link(2), which
 * one of any number can do. The socket of a dead process is moved away and looked at before it is removed, since it may
 * be that of somebody who was faster; that one gets its name back. So of two there is never more than one who holds it;
 * of three who start within the same moment over the socket of a dead one two can. One that is killed between the two
 * steps leaves a socket of a name of its own, which is in nobody's way. The file system must have hard links.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { codeOf } from './system-code.ts';

/** Longest wait for an answer from whoever holds it, in milliseconds. */
const probeMs = 1_000;

/** Opens what is there, a socket too, without reading it (open(2)); Node has no name for the flag. */
const openPath = 0o10000000;

/** Others who come and go can be met this often before it counts as taken. */
const attempts = 10;

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

/** Takes the lock at `path`, which may be as long as a path may be. Never rejects. */
export async function takeLock(path: string): Promise<LockAttempt> {
  try {
    for (let i = 0; i < attempts; i++) {
      const found = await lookAt(path);
      if (found !== 'free') return { kind: found };
      const lock = await claim(path);
      if (lock !== undefined) return { kind: 'held', lock };
    }
    return { kind: 'taken' };
  } catch (cause) {
    return { kind: 'failed', cause };
  }
}

/** What is at `path`; `free` once what a dead process left there is gone. */
async function lookAt(path: string): Promise<'free' | 'taken' | 'no_socket'> {
  await using file = await open(path, openPath | constants.O_NOFOLLOW).catch(unless('ENOENT'));
  if (file === undefined) return 'free';
  const found = await file.stat();
  if (!found.isSocket()) return 'no_socket';
  // A socket's address holds 107 bytes (unix(7)); by way of the descriptor the path may be longer.
  if (await isAnswered(`/proc/self/fd/${file.fd}`)) return 'taken';
  await moveAway(path, found);
  return 'free';
}

/** Removes the socket `dead` from `path`; it is open, so no other file has its number. Another one stays. */
async function moveAway(path: string, dead: Stats): Promise<void> {
  const aside = join(dirname(path), ownName());
  try {
    await rename(path, aside);
  } catch (error) {
    return unless('ENOENT')(error);
  }
  if (!isSame(await lstat(aside), dead)) await link(aside, path).catch(unless('EEXIST'));
  await unlink(aside);
}

/** Listens, and gives the socket its name. Undefined where somebody else was faster. */
async function claim(path: string): Promise<AsyncDisposable | undefined> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await open(dirname(path)));
  const name = ownName();
  const server = createServer((peer) => peer.destroy());
  await listen(server, folder, name);
  stack.defer(async () => {
    const closed = once(server, 'close');
    server.close();
    await closed;
  });
  const own = join(dirname(path), name);
  const socket = await lstat(own);
  try {
    await link(own, path);
  } catch (error) {
    return unless('EEXIST')(error);
  } finally {
    await unlink(own);
  }
  // While this one still listens: once it does not, the next one may have the name.
  stack.defer(async () => {
    const found = await lstat(path).catch(() => undefined);
    if (found !== undefined && isSame(found, socket)) await unlink(path).catch(() => {});
  });
  return stack.move();
}

async function listen(server: ReturnType<typeof createServer>, folder: FileHandle, name: string): Promise<void> {
  server.listen(`/proc/self/fd/${folder.fd}/${name}`);
  await once(server, 'listening');
  server.unref();
}

function ownName(): string {
  return `.lock-${randomBytes(8).toString('hex')}`;
}

function isSame(one: Stats, other: Stats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

/** Takes a failure with this code for nothing, and throws every other. */
function unless(code: string): (error: unknown) => undefined {
  return (error) => {
    if (codeOf(error) !== code) throw error;
  };
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
