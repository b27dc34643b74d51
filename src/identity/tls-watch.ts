/**
 * Sees when the files of mutual TLS change, by looking every few seconds: the system's notices miss links that change far
 * from the path, and network file systems. Whoever renews certificates writes the files one after the other, so what does
 * not fit together gets another look before it counts as failed.
 */
import type { Clock } from '../base/clock.ts';
import { keepLooking } from '../base/looks.ts';
import { fingerprint, readTlsFiles, type TlsMaterial, type TlsPaths } from './tls-files.ts';

export interface TlsWatchOptions {
  readonly paths: TlsPaths;
  readonly clock: Clock;
  /** Fingerprint of the files that are in use. */
  readonly used: string;
  /** Takes new files that fit together; what it throws makes them files that do not. The key is wiped when it returns. */
  readonly onMaterial: (material: TlsMaterial) => void;
  /** Told once for the same files: they cannot be used. */
  readonly onFailed: (cause: unknown) => void;
}

/** Time between two looks, in milliseconds. */
export const lookMs = 5000;

/** Time before the second look at files that do not fit together, in milliseconds. */
export const secondLookMs = 1000;

/** What is known of files that cannot be used: whether somebody was told. */
type Trouble =
  | { readonly kind: 'none' }
  | { readonly kind: 'seen'; readonly print: string }
  | { readonly kind: 'told'; readonly print: string };

/** Looks until it is disposed. */
export function watchTlsFiles(options: TlsWatchOptions): Disposable {
  const watcher = new TlsWatcher(options);
  return keepLooking({ clock: options.clock, firstMs: lookMs, look: (signal) => watcher.look(signal) });
}

class TlsWatcher {
  readonly #options: TlsWatchOptions;
  #used: string;
  #trouble: Trouble = { kind: 'none' };

  constructor(options: TlsWatchOptions) {
    this.#options = options;
    this.#used = options.used;
  }

  /** Resolves to the time before the next look, in milliseconds; never rejects. */
  async look(signal: AbortSignal): Promise<number> {
    const { paths, clock, onMaterial } = this.#options;
    // Taken before the files are read: what changes meanwhile makes the next look read them again.
    const print = await fingerprint(paths);
    if (print === this.#used) {
      this.#trouble = { kind: 'none' };
      return lookMs;
    }
    try {
      using material = await readTlsFiles(paths, clock.now());
      if (signal.aborted) return lookMs;
      onMaterial(material);
      this.#used = print;
      this.#trouble = { kind: 'none' };
      return lookMs;
    } catch (cause) {
      return signal.aborted ? lookMs : this.#failed(print, cause);
    }
  }

  /** Files that failed are read again with every look: what time or permissions mend changes no file. */
  #failed(print: string, cause: unknown): number {
    const before = this.#trouble;
    if (before.kind === 'none' || before.print !== print) {
      this.#trouble = { kind: 'seen', print };
      return secondLookMs;
    }
    if (before.kind === 'seen') {
      this.#trouble = { kind: 'told', print };
      this.#options.onFailed(cause);
    }
    return lookMs;
  }
}
