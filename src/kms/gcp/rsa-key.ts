/**
 * How an RSA key wraps and unwraps. Wrapping takes the public key and asks nobody, so it is made only where Cloud KMS
 * has unwrapped something under the same version within a bounded time.
 */
import { constants, publicEncrypt, randomBytes } from 'node:crypto';
import { equalInConstantTime } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { SecretBytes } from '../../base/secret.ts';
import { gaveUp, KmsError } from '../fault.ts';
import { Proof } from '../proof.ts';
import { operationName, unusableAnswer } from './failure.ts';
import { rsaSizes } from './key-style.ts';
import type { KmsCalls } from './kms-calls.ts';
import { bytesOf } from './messages.ts';
import { versionName } from './names.ts';
import { type RsaVersion, RsaVersions } from './rsa-version.ts';
import type { WrappedKey } from './symmetric-key.ts';
import { checksumOf, fits, verified } from './verified.ts';

/** What an RSA key needs beside its calls. */
export interface RsaKeyOptions {
  readonly clock: Clock;
  /** How long an unwrap proves that the key may be used, in milliseconds. */
  readonly proofMs: number;
  /** The version that new data keys go under. */
  readonly configured: string | undefined;
}

/** However much the key is in use: after this time a rotation has been noticed, in milliseconds. */
const versionHoldsMs = 300_000;

/** The RSA half of one key. Disposing of it ends the question that is under way. */
export class RsaKey implements Disposable {
  readonly #calls: KmsCalls;
  readonly #clock: Clock;
  readonly #versions: RsaVersions;
  readonly #proof: Proof;

  constructor(calls: KmsCalls, { clock, proofMs, configured }: RsaKeyOptions) {
    this.#calls = calls;
    this.#clock = clock;
    this.#versions = new RsaVersions(calls, configured);
    const ask = (signal: AbortSignal) => this.#prove(signal);
    this.#proof = new Proof({ provider: 'gcp_kms', clock, proofMs, askAgainMs: versionHoldsMs, ask });
  }

  /** Wraps `plaintext`, which stays the caller's. */
  async wrap({ plaintext, signal }: { plaintext: SecretBytes; signal: AbortSignal }): Promise<WrappedKey> {
    if (signal.aborted) throw gaveUp({ provider: 'gcp_kms', operation: 'WrapLocally' }, signal.reason);
    await this.#proof.ensure(signal);
    const version = await this.#versions.current(signal);
    return { version: version.version, ciphertext: encrypted(version, plaintext.reveal()) };
  }

  /** Unwraps what a version of the key wrapped. */
  async unwrap({ wrapped, signal }: { wrapped: WrappedKey; signal: AbortSignal }): Promise<SecretBytes> {
    const operation = operationName('asymmetricDecrypt');
    if (!rsaSizes.includes(wrapped.ciphertext.length)) {
      throw new KmsError({ kind: 'data' }, { provider: 'gcp_kms', operation });
    }
    const sentAt = this.#clock.monotonic();
    try {
      const plaintext = await this.#decrypt(wrapped, signal);
      if (wrapped.version === this.#calls.currentVersion) this.#proof.succeeded(sentAt);
      return plaintext;
    } catch (error) {
      throw this.#met(error, wrapped.version);
    }
  }

  /** The number of the newest version that is enabled now. Throws a `KmsError`. */
  newest(signal: AbortSignal): Promise<string> {
    return this.#versions.newest(signal);
  }

  [Symbol.dispose](): void {
    this.#proof[Symbol.dispose]();
  }

  async #decrypt({ version, ciphertext }: WrappedKey, signal: AbortSignal): Promise<SecretBytes> {
    const name = versionName(this.#calls.keyName, version);
    const request = { name, ciphertext, ciphertextCrc32c: checksumOf(ciphertext) };
    return verified('asymmetricDecrypt', async () => {
      const answer = await this.#calls.call('asymmetricDecrypt', request, { signal, version });
      const plaintext = bytesOf(answer.plaintext);
      if (plaintext === undefined) return undefined;
      const secret = SecretBytes.adopt(plaintext);
      if (answer.verifiedCiphertextCrc32c && fits(secret.reveal(), answer.plaintextCrc32c)) return secret;
      secret[Symbol.dispose]();
      return undefined;
    });
  }

  /** Has the version that is the newest now unwrap random bytes. */
  async #prove(signal: AbortSignal): Promise<void> {
    const version = await this.#versions.learn(signal);
    using sent = SecretBytes.adopt(randomBytes(32));
    const ciphertext = encrypted(version, sent.reveal());
    try {
      using received = await this.#decrypt({ version: version.version, ciphertext }, signal);
      if (!equalInConstantTime(sent.reveal(), received.reveal())) throw otherKey();
    } catch (error) {
      // Its data are ours: what does not open here is no fault of an entry.
      if (error instanceof KmsError && error.fault.kind === 'data') throw notItsPair(error);
      throw this.#met(error, version.version);
    }
  }

  /**
   * Draws the conclusions from a failure. A version that does not exist, other than the one in use, was named by the
   * entry: versions are not deleted, they stay as destroyed ones.
   */
  #met(error: unknown, version: string): unknown {
    if (!(error instanceof KmsError)) return error;
    const isCurrent = version === this.#calls.currentVersion;
    const { fault, details } = error;
    if (isCurrent && fault.kind === 'refusal') {
      this.#proof.refused();
      this.#versions.forget();
    }
    if (!isCurrent && fault.kind === 'ambiguous' && fault.reason === 'KEY_NOT_FOUND') {
      return new KmsError({ kind: 'data' }, details);
    }
    return error;
  }
}

function encrypted({ publicKey, algorithm }: RsaVersion, plaintext: Buffer): Buffer {
  return publicEncrypt(
    { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: algorithm.hash },
    plaintext,
  );
}

/** What was unwrapped is not what was wrapped: public key and version do not belong together. */
function otherKey(): KmsError {
  return unusableAnswer('asymmetricDecrypt', 'OTHER_KEY');
}

/** What was wrapped with the public key is not valid to the service that showed it. */
function notItsPair({ details }: KmsError): KmsError {
  const advice = 'check key_name and endpoint: the service does not open what is wrapped with the public key it shows';
  return new KmsError({ kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' }, { ...details, advice });
}
