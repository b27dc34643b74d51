/** What kind of key it is that a configuration names: asked of DescribeKey once, for all calls that need to know. */
import { AskedOnce } from '../asked-once.ts';
import { gaveUp, KmsError } from '../fault.ts';
import { adviceForOtherKey, adviceForUnsuitableKey } from './advice.ts';
import { emptyAnswer } from './failure.ts';
import { type KeyStyle, styleOfKey, symmetricStyle } from './key-style.ts';
import type { KmsCalls } from './kms-calls.ts';

const operation = 'DescribeKey';
/** The question is everybody's: it ends by its own timeout, and not when one of those who wait gives up. */
const everybodys = new AbortController().signal;

/** The kind of one key, once it is known. */
export class LearnedStyle {
  readonly #keyArn: string;
  readonly #calls: KmsCalls;
  readonly #style = new AskedOnce(() => this.#ask());

  constructor(keyArn: string, calls: KmsCalls) {
    this.#keyArn = keyArn;
    this.#calls = calls;
  }

  /**
   * The style, learned by the first call. A customer need not allow DescribeKey: then the key counts as symmetric, as
   * all but a few are, and where it is not, AWS says so when it is used. Throws a `KmsError`: `KEY_UNSUITABLE` for a
   * key that cannot wrap, `KEY_SERVICE_MISCONFIGURED` for a name that is not the key's own ARN.
   */
  async get(signal: AbortSignal): Promise<KeyStyle> {
    try {
      return await this.#style.get(signal);
    } catch (error) {
      throw error instanceof KmsError ? error : gaveUp({ provider: 'aws_kms', operation }, error);
    }
  }

  /** For a key that turned out not to wrap as it was taken to: the next call asks again. */
  forget(): void {
    this.#style.forget();
  }

  async #ask(): Promise<KeyStyle> {
    try {
      const key = await this.#calls.describeKey(everybodys);
      if (key?.Arn === undefined) throw emptyAnswer(operation);
      if (key.Arn !== this.#keyArn) throw unusable('KEY_SERVICE_MISCONFIGURED', adviceForOtherKey);
      const style = styleOfKey(key);
      if (style === undefined) throw unusable('KEY_UNSUITABLE', adviceForUnsuitableKey);
      return style;
    } catch (error) {
      if (error instanceof KmsError && error.fault.kind === 'refusal' && error.fault.reason === 'KEY_ACCESS_DENIED') {
        return symmetricStyle;
      }
      throw error;
    }
  }
}

function unusable(reason: 'KEY_UNSUITABLE' | 'KEY_SERVICE_MISCONFIGURED', advice: string): KmsError {
  return new KmsError({ kind: 'config', reason }, { provider: 'aws_kms', operation, advice });
}
