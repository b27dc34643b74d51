/**
 * A place for a Unix socket: its folder exists, a stale socket of a daemon that died is gone, and one that somebody
 * answers on is never taken.
 */

import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isAnswered } from '../base/socket-lock.ts';
import { codeOf } from '../base/system-code.ts';
import { StartupError } from './startup-error.ts';

/** Makes room for a socket at `path`. Throws a StartupError where somebody lives there, or where it is no socket. */
export async function claimSocket(path: string): Promise<void> {
  // The socket's own mode says who may open it; those must be able to reach it.
  await mkdir(dirname(path), { recursive: true, mode: 0o755 }).catch((error) => {
    throw new StartupError(`cannot make the folder of the socket ${path}: ${codeOf(error)}`, error);
  });
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new StartupError(`cannot listen on unix:${path}: there is something that is not a socket; move it away`);
  }
  if (await isAnswered(path)) {
    throw new StartupError(
      `cannot listen on unix:${path}: another process answers there; stop it or choose another path`,
    );
  }
  await unlink(path).catch((error) => {
    throw new StartupError(`cannot replace the stale socket ${path}: ${codeOf(error)}`, error);
  });
}

/**
 * Runs `bind`, which makes the socket, so that nobody but its owner can open it before it has its permissions, and
 * then sets them. The mask is the whole process's: what somebody else creates meanwhile is its owner's alone.
 */
export async function withSocketMode<T>(path: string, mode: number, bind: () => Promise<T>): Promise<T> {
  const before = process.umask(0o077);
  try {
    const bound = await bind();
    await chmod(path, mode);
    return bound;
  } finally {
    process.umask(before);
  }
}
