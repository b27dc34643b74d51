/**
 * What a data key was fetched under: the epochs of the keys whose yes it stands on. It is looked at again before
 * anything is kept or given out, so that no answer leaves after a no that came while it was being made.
 */
import { KeyproxyError } from '../base/errors.ts';
import type { KeyWatch } from './key-watch.ts';

interface Mark {
  readonly watch: KeyWatch;
  readonly epoch: number;
}

export class Permit {
  readonly #marks: readonly Mark[];

  private constructor(marks: readonly Mark[]) {
    this.#marks = marks;
  }

  /** The epochs of `watches` as they are now. */
  static of(watches: Iterable<KeyWatch>): Permit {
    return new Permit(Array.from(watches, (watch) => ({ watch, epoch: watch.epoch })));
  }

  /** The part of it that is about these keys: a no of any other is none to what they opened. */
  for(...watches: readonly KeyWatch[]): Permit {
    return new Permit(this.#marks.filter(({ watch }) => watches.includes(watch)));
  }

  /** Whether none of the keys has said no since. */
  get holds(): boolean {
    for (const { watch, epoch } of this.#marks) if (watch.epoch !== epoch) return false;
    return true;
  }

  /** Throws where one of the keys has said no since: its refusal, or an outage where it has said yes again. */
  check(): void {
    for (const { watch, epoch } of this.#marks) {
      if (watch.epoch === epoch) continue;
      watch.expectUsable();
      throw new KeyproxyError('KEY_SERVICE_UNAVAILABLE', {
        detail: 'its key was withdrawn and given back while the call was under way',
        retryAfterMs: 0,
      });
    }
  }
}
