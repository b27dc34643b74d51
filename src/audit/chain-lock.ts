/**
 * One daemon for one chain. Node has no flock(2), and a file with a process id says nothing across containers, whose
 * ids repeat. So the lock is a Unix socket beside the file that the daemon listens on: the kernel answers for the
 * living and refuses for the dead, however they died. Two daemons that start within the same moment over the socket of
 * a dead one can both believe that they hold it; `keyproxy audit verify` would tell.
 */
import { once } from 'node:events';
import { lstat, open, unlink } from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';
import { basename, dirname } from 'node:path';
import { codeOf } from '../base/system-code.ts';
import { AuditOpenError } from './failure.ts';

/** Longest wait for an answer from whoever holds it, in milliseconds. */
const probeMs = 1_000;

/** Takes the lock of the chain at `path`; disposing gives it back. Throws an AuditOpenError where it is taken. */
export async function lockChain(path: string): Promise<AsyncDisposable> {
  const folder = await open(dirname(path));
  try {
    // A socket's address holds 107 bytes (unix(7)); by way of the folder's descriptor the path may be longer.
    const server = await listenAt(`/proc/self/fd/${folder.fd}/${basename(path)}.lock`, path);
    return {
      async [Symbol.asyncDispose]() {
        // Closing removes the socket by its address, which is good only while the folder is open.
        const closed = once(server, 'close');
        server.close();
        await closed;
        await folder.close();
      },
    };
  } catch (error) {
    await folder.close();
    throw error;
  }
}

async function listenAt(address: string, path: string): Promise<Server> {
  const lock = `${path}.lock`;
  const found = await lstat(lock).catch(() => undefined);
  if (found !== undefined && !found.isSocket()) {
    throw new AuditOpenError(`cannot take the lock ${lock} of the audit log: it is not a socket; move it away`);
  }
  if (found !== undefined && (await isAnswered(address))) {
    throw new AuditOpenError(
      `cannot write the audit log ${path}: another process writes it; stop that one or choose another path`,
    );
  }
  if (found !== undefined) await unlink(lock).catch(() => {});
  const server = createServer((peer) => peer.destroy());
  server.listen(address);
  await once(server, 'listening').catch((error) => {
    throw new AuditOpenError(`cannot take the lock ${lock} of the audit log: ${codeOf(error)}`, error);
  });
  server.unref();
  return server;
}

function isAnswered(address: string): Promise<boolean> {
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
