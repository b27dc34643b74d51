/**
 * The folder in which the daemon keeps what has to outlive it. Files in it are whole or not there, and one process
 * alone has it.
 */

import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { takeLock } from '../base/socket-lock.ts';
import { codeOf } from '../base/system-code.ts';
import { StartupError } from './startup-error.ts';

/** A file that is not whole yet: its name, the number of the process that writes it, and one of its own. */
const unfinished = /^\..+\.\d+\.\d+$/;

/** The name of the socket that says that the folder is in use. */
const lockName = 'lock';

export class StateFolder implements AsyncDisposable {
  readonly path: string;
  readonly #lock: AsyncDisposable;
  #written = 0;

  private constructor(path: string, lock: AsyncDisposable) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Makes the folder, mode 0700, where it is missing. Throws a StartupError where it cannot be had, or another process
   * has it. Disposing lets the next one in; nothing may be written from then on.
   */
  static async at(path: string): Promise<StateFolder> {
    await mkdir(path, { recursive: true, mode: 0o700 }).catch((error) => {
      throw new StartupError(`cannot make the folder ${path} of state.directory: ${codeOf(error)}`, error);
    });
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(new StateFolder(path, await lockOf(path)));
    await folder.#sweep();
    // What cannot be written is said now, and not when a customer has said no.
    await folder.write('probe', '').catch((error) => {
      throw new StartupError(`cannot write to the folder ${path} of state.directory: ${codeOf(error)}`, error);
    });
    await folder.remove('probe');
    stack.move();
    return folder;
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#lock[Symbol.asyncDispose]();
  }

  /** The text of a file; undefined where there is none. */
  async read(name: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.path, name), 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /**
   * Puts a file in the place of what was there, mode 0600, so that a crash at any moment leaves the one or the other.
   * Once it has resolved it is the new one, after a loss of power too.
   */
  async write(name: string, text: string): Promise<void> {
    this.#written += 1;
    const next = join(this.path, `.${name}.${process.pid}.${this.#written}`);
    try {
      {
        await using file = await open(next, 'wx', 0o600);
        await file.writeFile(text);
        await file.sync();
      }
      await rename(next, join(this.path, name));
      // fsync(2): what is synced of a file does not say that the folder's entry for it is on the disk.
      await using folder = await open(this.path);
      await folder.sync();
    } catch (error) {
      await rm(next, { force: true });
      throw error;
    }
  }

  /** Takes away what earlier processes were killed in the middle of, one of the same process id among them perhaps. */
  async #sweep(): Promise<void> {
    const files = await this.list();
    await Promise.all(files.filter(({ name }) => unfinished.test(name)).map(({ name }) => this.remove(name)));
  }

  /** The files, and when each was changed last, in milliseconds since 1970. */
  async list(): Promise<{ readonly name: string; readonly changedAt: number }[]> {
    const names = await readdir(this.path).catch(() => []);
    const files = await Promise.all(
      names.map(async (name) => {
        const found = await stat(join(this.path, name)).catch(() => undefined);
        return found === undefined ? [] : [{ name, changedAt: found.mtimeMs }];
      }),
    );
    return files.flat();
  }

  /** Takes a file away, if it is there. */
  async remove(name: string): Promise<void> {
    await rm(join(this.path, name), { force: true });
  }

  /** Moves a file out of the way that cannot be read, for whoever wants to look at it. */
  async setAside(name: string): Promise<void> {
    await rename(join(this.path, name), join(this.path, `${name}.unreadable`)).catch(() => {});
  }
}

async function lockOf(path: string): Promise<AsyncDisposable> {
  const attempt = await takeLock(join(path, lockName));
  switch (attempt.kind) {
    case 'held':
      return attempt.lock;
    case 'taken':
      throw new StartupError(
        `cannot use the folder ${path} of state.directory: another process has it; stop that one or choose another folder`,
      );
    case 'no_socket':
      throw new StartupError(
        `cannot use the folder ${path} of state.directory: ${lockName} in it is not a socket; move it away`,
      );
    case 'unsupported':
      throw new StartupError(
        `cannot use the folder ${path} of state.directory: no Unix socket can be made there (${codeOf(attempt.cause)}); choose a folder on a file system that has them`,
        attempt.cause,
      );
    case 'failed':
      throw new StartupError(
        `cannot write to the folder ${path} of state.directory: ${codeOf(attempt.cause)}`,
        attempt.cause,
      );
  }
}
