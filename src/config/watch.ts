/**
 * Watches a folder of tenant files. The system's notices (inotify on Linux) say only that something happened there;
 * what happened is found by looking. A slow look at fixed intervals catches what no notice tells: files behind links
 * to other folders, network file systems, and a folder that vanished and came back as another one.
 */
import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Clock, systemClock, type Timer } from '../base/clock.ts';
import type { TenantId } from '../base/ids.ts';
import type { TenantFileOptions } from './key-block.ts';
import { mergeScan, type TenantChange } from './last-good.ts';
import type { LoadedDirectory } from './tenant-directory.ts';
import { type DirectoryScan, hashOf, type LoadedTenant, scanTenantDirectory } from './tenant-scan.ts';

export interface WatchOptions extends TenantFileOptions {
  /** What is served already; only what differs from it is announced. */
  readonly initial: LoadedDirectory;
  /** Quiet time after a notice before the folder is looked at, in milliseconds; 100 by default. */
  readonly debounceMs?: number;
  /** Time between looks without a notice, in milliseconds; 30,000 by default. */
  readonly rescanMs?: number;
  readonly clock?: Clock;
}

/** While there is no folder to watch, it is looked for at least this often, in milliseconds. */
const searchMs = 2000;

/**
 * Calls `onChange` whenever the bytes of the folder's tenant files differ from what was announced last; one call at
 * a time, and never twice for the same. Where `onChange` throws or rejects, the change counts as not announced and
 * comes again with the next look. Disposing stops the watch and waits for a look that is under way, `onChange`
 * included, so it must not be awaited from there.
 */
export function watchTenantDirectory(
  path: string,
  options: WatchOptions,
  onChange: (change: TenantChange) => void | Promise<void>,
): AsyncDisposable {
  const watcher = new DirectoryWatcher(path, options, onChange);
  watcher.start();
  return { [Symbol.asyncDispose]: () => watcher.stop() };
}

class DirectoryWatcher {
  readonly #path: string;
  readonly #options: WatchOptions;
  readonly #debounceMs: number;
  readonly #rescanMs: number;
  readonly #clock: Clock;
  readonly #onChange: (change: TenantChange) => void | Promise<void>;
  #tenants: ReadonlyMap<TenantId, LoadedTenant>;
  #scan: DirectoryScan;
  /** The system's watch, with the identity of the folder that it is on. */
  #notices: { watcher: FSWatcher; identity: string } | undefined;
  #timer: Timer | undefined;
  #look: Promise<void> | undefined;
  /** A notice came while a look was under way: what it saw may be old. */
  #again = false;
  #stopped = false;

  constructor(path: string, options: WatchOptions, onChange: (change: TenantChange) => void | Promise<void>) {
    this.#path = path;
    this.#options = options;
    this.#debounceMs = options.debounceMs ?? 100;
    this.#rescanMs = options.rescanMs ?? 30_000;
    this.#clock = options.clock ?? systemClock;
    this.#onChange = onChange;
    this.#tenants = options.initial.tenants;
    this.#scan = options.initial.scan;
  }

  /** The first look closes the gap between loading and watching. */
  start(): void {
    this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
    this.#unwatch();
    await this.#look;
    this.#unwatch();
  }

  #run(): void {
    this.#timer?.[Symbol.dispose]();
    this.#again = false;
    this.#look = this.#lookOnce().finally(() => {
      this.#look = undefined;
      const idle = this.#notices === undefined ? Math.min(searchMs, this.#rescanMs) : this.#rescanMs;
      this.#schedule(this.#again ? this.#debounceMs : idle);
    });
  }

  #schedule(milliseconds: number): void {
    this.#timer?.[Symbol.dispose]();
    if (!this.#stopped) this.#timer = this.#clock.after(milliseconds, () => this.#run());
  }

  #noticed(): void {
    this.#again = true;
    if (this.#look === undefined) this.#schedule(this.#debounceMs);
  }

  /** Never rejects: what goes wrong in the folder is part of the scan. */
  async #lookOnce(): Promise<void> {
    await this.#watchFolder();
    const scan = await scanTenantDirectory(this.#path, this.#options, this.#scan);
    if (this.#stopped || fingerprint(scan) === fingerprint(this.#scan)) return;
    const change = mergeScan(this.#tenants, scan);
    try {
      await this.#onChange(change);
    } catch {
      return;
    }
    this.#tenants = change.tenants;
    this.#scan = scan;
  }

  /** Sees to it that the watch is on the folder that stands at the path now. */
  async #watchFolder(): Promise<void> {
    const identity = await stat(this.#path).then(
      (found) => `${found.dev}:${found.ino}`,
      () => undefined,
    );
    if (this.#notices?.identity === identity) return;
    this.#unwatch();
    if (identity === undefined || this.#stopped) return;
    try {
      const watcher = watch(this.#path, { persistent: false }, () => this.#noticed());
      watcher.on('error', () => {
        this.#unwatch();
        this.#noticed();
      });
      this.#notices = { watcher, identity };
    } catch {
      // No watch to be had (the folder went away, or the system's limit is reached): the slow looks remain.
    }
  }

  #unwatch(): void {
    this.#notices?.watcher.close();
    this.#notices = undefined;
  }
}

/** Two scans of the same fingerprint have nothing new to tell. */
function fingerprint(scan: DirectoryScan): string {
  if (scan.kind === 'unreadable') return `unreadable ${scan.problem.message}`;
  return JSON.stringify([...scan.files].map(([file, state]) => [file, hashOf(state)]));
}
