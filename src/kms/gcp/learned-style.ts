/** What kind of key it is that a configuration names: asked once, for all calls that need to know. */
import { AskedOnce } from '../asked-once.ts';
import { gaveUp, KmsError } from '../fault.ts';
import { unusableAnswer } from './failure.ts';
import { assumedStyle, type KeyStyle, styleOfKey, unsuitableAdvice } from './key-style.ts';
import type { KmsCalls } from './kms-calls.ts';
import { versionName } from './names.ts';

const call = { provider: 'gcp_kms', operation: 'GetCryptoKey' };
/** The question is everybody's: it ends by its own timeout, and not when one of those who wait gives up. */
const everybodys = new AbortController().signal;

/** The kind of one key, once it is known. */
export class LearnedStyle {
  readonly #calls: KmsCalls;
  readonly #configured: string | undefined;
  readonly #style = new AskedOnce(() => this.#ask());

  /** `configured`: the version that the configuration names. */
  constructor(calls: KmsCalls, configured: string | undefined) {
    this.#calls = calls;
    this.#configured = configured;
  }

  /**
   * The style, learned by the first call. A customer need not allow GetCryptoKey, which the roles for encryption do
   * not contain: then a key of which a version with a public key is configured is an RSA key, and every other counts as
   * symmetric. Throws a `KmsError`: `KEY_UNSUITABLE` for a key that cannot wrap.
   */
  async get(signal: AbortSignal): Promise<KeyStyle> {
    try {
      return await this.#style.get(signal);
    } catch (error) {
      throw error instanceof KmsError ? error : gaveUp(call, error);
    }
  }

  /** For a key that turned out not to wrap as it was taken to: the next call asks again. */
  forget(): void {
    this.#style.forget();
  }

  async #ask(): Promise<KeyStyle> {
    try {
      const key = await this.#calls.call('getCryptoKey', { name: this.#calls.keyName }, { signal: everybodys });
      if (key.name !== this.#calls.keyName) throw unusableAnswer('getCryptoKey', 'OTHER_KEY');
      const style = styleOfKey(key);
      if (style !== undefined) return style;
    } catch (error) {
      if (isDenied(error)) return this.#guessed();
      throw error;
    }
    throw new KmsError({ kind: 'config', reason: 'KEY_UNSUITABLE' }, { ...call, advice: unsuitableAdvice });
  }

  async #guessed(): Promise<KeyStyle> {
    const version = this.#configured;
    if (version === undefined) return assumedStyle;
    const name = versionName(this.#calls.keyName, version);
    try {
      await this.#calls.call('getPublicKey', { name }, { signal: everybodys, version });
      return { kind: 'rsa' };
    } catch (error) {
      // An outage says nothing of the key; every answer says that there is no public key to be had.
      if (error instanceof KmsError && ['outage', 'credentials'].includes(error.fault.kind)) throw error;
      return assumedStyle;
    }
  }
}

function isDenied(error: unknown): boolean {
  return error instanceof KmsError && error.fault.kind === 'refusal' && error.fault.reason === 'KEY_ACCESS_DENIED';
}
