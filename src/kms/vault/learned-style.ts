/** What kind of key it is that a configuration names: asked of Vault once, for all calls that need to know. */
import type { Clock } from '../../base/clock.ts';
import { AskedOnce } from '../asked-once.ts';
import { startDeadline } from '../deadline.ts';
import { KmsError } from '../fault.ts';
import { errorOf, silence } from './failure.ts';
import { type KeyStyle, styleOfKey } from './key-style.ts';
import type { Transit } from './transit.ts';

const operation = 'read-key';

/** The kind of one key, once it is known. */
export class LearnedStyle {
  readonly #transit: Transit;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #style = new AskedOnce(() => this.#ask());

  constructor(transit: Transit, { clock, timeoutMs }: { clock: Clock; timeoutMs: number }) {
    this.#transit = transit;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * The style, learned by the first call. A customer need not allow the key to be read: then it counts as one that
   * binds associated data, as all but a few are, and where it is not, Vault says so when it is used. Throws a
   * `KmsError`: `KEY_UNSUITABLE` for a key that cannot wrap, `KEY_NOT_FOUND` for one that there is not.
   */
  async get(signal: AbortSignal): Promise<KeyStyle> {
    try {
      return await this.#style.get(signal);
    } catch (error) {
      throw silence(error, operation, signal);
    }
  }

  /** Vault said what the key may not tell by itself: it binds no associated data. */
  isRsa(): void {
    this.#style.learned('rsa');
  }

  /** For a key that turned out not to wrap as it was taken to: the next call asks again. */
  forget(): void {
    this.#style.forget();
  }

  async #ask(): Promise<KeyStyle> {
    // The question is everybody's: it ends in its own time, and not when one of those who wait gives up.
    using deadline = startDeadline(this.#clock, this.#timeoutMs);
    try {
      const style = styleOfKey(await this.#transit.readKey(deadline.signal));
      if (typeof style === 'string') return style;
      throw errorOf(style, operation);
    } catch (error) {
      if (error instanceof KmsError && error.fault.kind === 'refusal' && error.fault.reason === 'KEY_ACCESS_DENIED') {
        return 'aead';
      }
      throw error;
    }
  }
}
