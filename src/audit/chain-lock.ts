/** One daemon for one chain: a lock beside the file. Where it fails to tell, `keyproxy audit verify` does. */
import { takeLock } from '../base/socket-lock.ts';
import { codeOf } from '../base/system-code.ts';
import { AuditOpenError } from './failure.ts';

/** Takes the lock of the chain at `path`; disposing gives it back. Throws an AuditOpenError where it is taken. */
export async function lockChain(path: string): Promise<AsyncDisposable> {
  const lock = `${path}.lock`;
  const attempt = await takeLock(lock);
  switch (attempt.kind) {
    case 'held':
      return attempt.lock;
    case 'taken':
      throw new AuditOpenError(
        `cannot write the audit log ${path}: another process writes it; stop that one or choose another path`,
      );
    case 'no_socket':
      throw new AuditOpenError(`cannot take the lock ${lock} of the audit log: it is not a socket; move it away`);
    case 'unsupported':
      throw new AuditOpenError(
        `cannot take the lock ${lock} of the audit log: no Unix socket can be made there (${codeOf(attempt.cause)}); choose a path on a file system that has them`,
        attempt.cause,
      );
    case 'failed':
      throw new AuditOpenError(
        `cannot take the lock ${lock} of the audit log: ${codeOf(attempt.cause)}`,
        attempt.cause,
      );
  }
}
