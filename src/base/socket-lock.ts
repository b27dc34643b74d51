/**
 * One process for one thing on the disk. Node has no flock(2), and a file with a process id says nothing across
 * containers, whose ids repeat. So a lock is a Unix socket that its holder listens on: the kernel answers for the
 * living and refuses for the dead, however they died.
 *
 * Whoever wants it listens under a name of its own beside the lock first, and only then looks who else does. With no
 * living rival and nobody living under the lock's name, it gives its socket that name with rename(2), over that of a
 * dead process if there is one. So two never have it, however many start and wherever they are killed: of two, the one
 * that looks later finds the other, under its own name or, since that is looked at last, under the lock's. Nobody moves
 * the socket of a living one, and names of their own are never used twice, so that what is dead stays dead.
 *
 * Of rivals that see each other the one whose name sorts first stays, and the others step back and come again later.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, readdir, rename, unlink } from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { codeOf } from './system-code.ts';

/** Longest wait for an answer from whoever holds it, in milliseconds. */
const probeMs = 1_000;

/** Opens what is there, a socket too, without reading it (open(2)); Node has no name for the flag. */
const openPath = 0o10000000;

/** How often one that stepped back comes again before the lock counts as taken. */
const attempts = 10;

/** What one that stepped back waits after its first attempt, in milliseconds; twice that after its second, and so on. */
const stepBackMs = 10;

/** How often, and how far apart in milliseconds, the first of the rivals looks whether the others have stepped back. */
const looks = 250;
const lookMs = 2;

/** How a file system says that it has no Unix sockets. */
const lacksSockets: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP']);

/** What became of an attempt to take a lock. */
export type LockAttempt =
  /** Disposing gives it back. */
  | { readonly kind: 'held'; readonly lock: AsyncDisposable }
  /** Another process has it, or has been about to for as long as we wait. */
  | { readonly kind: 'taken' }
  /** There is something else at its path, which stays. */
  | { readonly kind: 'no_socket' }
  /** No Unix socket can be made there, which is how FAT answers, say (mknod(2)). */
  | { readonly kind: 'unsupported'; readonly cause: unknown }
  /** The system said no. */
  | { readonly kind: 'failed'; readonly cause: unknown };

/** Takes the lock at `path`, which may be as long as a path may be. Never rejects. */
export async function takeLock(path: string): Promise<LockAttempt> {
  try {
    for (let i = 1; i <= attempts; i++) {
      const found = await lookAt(path);
      if (found !== 'free') return { kind: found };
      const attempt = await compete(path);
      if (attempt !== 'stepped_back') return attempt;
      await setTimeout(stepBackMs * i);
    }
    return { kind: 'taken' };
  } catch (cause) {
    return { kind: 'failed', cause };
  }
}

/** What is at `path`; `free` if it is nothing, or the socket of a dead process. */
async function lookAt(path: string): Promise<'free' | 'taken' | 'no_socket'> {
  await using file = await open(path, openPath | constants.O_NOFOLLOW).catch(unless('ENOENT'));
  if (file === undefined) return 'free';
  if (!(await file.stat()).isSocket()) return 'no_socket';
  // A socket's address holds 107 bytes (unix(7)); by way of the descriptor the path may be longer.
  return (await isAnswered(`/proc/self/fd/${file.fd}`)) ? 'taken' : 'free';
}

/** Listens under a name of its own, and gives the socket the lock's name if nobody else is there. */
async function compete(path: string): Promise<LockAttempt | 'stepped_back'> {
  await using stack = new AsyncDisposableStack();
  await using folder = await open(dirname(path));
  const name = `${prefixOf(path)}${randomBytes(8).toString('hex')}`;
  const own = join(dirname(path), name);
  const server = createServer((peer) => peer.destroy());
  const address = `/proc/self/fd/${folder.fd}/${name}`;
  const problem = await listen(server, address).catch((cause: unknown) => ({ cause }));
  if (problem !== undefined)
    return { kind: lacksSockets.has(codeOf(problem.cause)) ? 'unsupported' : 'failed', ...problem };
  stack.defer(async () => {
    const closed = once(server, 'close');
    server.close();
    await closed;
  });
  // A rival that looked between bind(2) and listen(2) took this one for dead, and removed its name.
  const socket = await lstat(own).catch(unless('ENOENT'));
  if (socket === undefined) return 'stepped_back';
  // While this one still listens: once it does not, the next one may have the lock's name.
  stack.defer(async () => {
    await removeIf(own, socket);
    await removeIf(path, socket);
  });
  for (let i = 0; i < looks; i++) {
    const rivals = await rivalsOf(name, path, folder);
    if (rivals.some((rival) => rival < name)) return 'stepped_back';
    const found = await lookAt(path);
    if (found !== 'free') return { kind: found };
    if (rivals.length === 0) {
      if (!(await moved(own, path))) return 'stepped_back';
      return { kind: 'held', lock: stack.move() };
    }
    await setTimeout(lookMs);
  }
  return { kind: 'taken' };
}

/** What the names of all who want this lock begin with: a folder can have several, of names as long as names may be. */
function prefixOf(path: string): string {
  return `.lock-${createHash('sha256').update(basename(path)).digest('hex').slice(0, 16)}-`;
}

async function listen(server: Server, address: string): Promise<undefined> {
  server.listen(address);
  await once(server, 'listening');
  server.unref();
}

/** The names of the others who want this lock and live. Those of the dead are removed. */
async function rivalsOf(name: string, path: string, folder: FileHandle): Promise<string[]> {
  const prefix = prefixOf(path);
  const living: string[] = [];
  for (const other of await readdir(dirname(path))) {
    if (!other.startsWith(prefix) || other === name) continue;
    if (await isAnswered(`/proc/self/fd/${folder.fd}/${other}`)) living.push(other);
    // One that cannot be removed is in nobody's way.
    else await unlink(join(dirname(path), other)).catch(() => {});
  }
  return living;
}

/** False where there is nothing at `from` any more. */
async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return false;
  }
}

async function removeIf(path: string, socket: Stats): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.dev === socket.dev && found.ino === socket.ino) await unlink(path).catch(() => {});
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
