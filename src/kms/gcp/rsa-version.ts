/** The version of an RSA key that new data keys go under, with its public key. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { KmsError, type KmsErrorDetails, type KmsFault } from '../fault.ts';
import { type KmsAction, operationName, unusableAnswer } from './failure.ts';
import { type RsaAlgorithm, rsaAlgorithms, unsuitableAdvice } from './key-style.ts';
import type { KmsCalls } from './kms-calls.ts';
import { versionName, versionOf } from './names.ts';
import { fits, verified } from './verified.ts';

/** A version that wraps here. */
export interface RsaVersion {
  readonly version: string;
  readonly publicKey: KeyObject;
  readonly algorithm: RsaAlgorithm;
}

/** Versions on one page of a list, as many as Google gives at once. */
const pageSize = 1_000;
/** More pages than any key has. */
const maxPages = 100;

/** The versions of one key, as far as new data needs them. */
export class RsaVersions {
  readonly #calls: KmsCalls;
  readonly #configured: string | undefined;
  #current: RsaVersion | undefined;

  /** `configured`: the version that new data keys go under; absent: the newest that is enabled. */
  constructor(calls: KmsCalls, configured: string | undefined) {
    this.#calls = calls;
    this.#configured = configured;
  }

  /** The version in use; asked for where it is not known, or was forgotten. */
  async current(signal: AbortSignal): Promise<RsaVersion> {
    return this.#current ?? this.learn(signal);
  }

  /** Asks which version is the newest, and for its public key where it is another one than before. */
  async learn(signal: AbortSignal): Promise<RsaVersion> {
    const version = this.#configured ?? (await this.newest(signal));
    // Known from here on, so that a refusal of its public key is one of the key.
    this.#calls.currentVersion = version;
    if (this.#current?.version !== version) this.#current = await this.#publicKey(version, signal);
    return this.#current;
  }

  /** For a version that was refused: the next call looks for another. */
  forget(): void {
    this.#current = undefined;
  }

  /** The number of the newest version that is enabled now. Throws a `KmsError`: a refusal where there is none. */
  async newest(signal: AbortSignal): Promise<string> {
    let newest = 0;
    let pageToken = '';
    for (let page = 0; page < maxPages; page++) {
      const request = { parent: this.#calls.keyName, filter: 'state=ENABLED', pageSize, pageToken };
      const answer = await this.#calls.call('listCryptoKeyVersions', request, { signal });
      for (const { name, state } of answer.cryptoKeyVersions ?? []) {
        const version = versionOf(this.#calls.keyName, name);
        if (version !== undefined && String(state) === 'ENABLED') newest = Math.max(newest, Number(version));
      }
      pageToken = answer.nextPageToken ?? '';
      if (pageToken === '') break;
    }
    if (newest > 0) return String(newest);
    throw error('listCryptoKeyVersions', noneEnabled, {
      providerCode: 'NO_ENABLED_VERSION',
      advice: 'no version of the key is enabled: enable one, or make a new one',
    });
  }

  async #publicKey(version: string, signal: AbortSignal): Promise<RsaVersion> {
    const name = versionName(this.#calls.keyName, version);
    const answer = await verified('getPublicKey', async () => {
      const key = await this.#calls.call('getPublicKey', { name }, { signal, version });
      return fits(Buffer.from(key.pem ?? '', 'utf8'), key.pemCrc32c) ? key : undefined;
    });
    if (answer.name !== name) throw unusableAnswer('getPublicKey', 'OTHER_KEY');
    const algorithm = rsaAlgorithms[String(answer.algorithm)];
    if (algorithm === undefined) {
      throw error('getPublicKey', { kind: 'config', reason: 'KEY_UNSUITABLE' }, { advice: unsuitableAdvice });
    }
    return { version, algorithm, publicKey: publicKeyOf(answer.pem ?? '', algorithm) };
  }
}

/** Every version has been disabled or destroyed, by the customer's own hand. */
const noneEnabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };

function publicKeyOf(pem: string, { size }: RsaAlgorithm): KeyObject {
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType === 'rsa' && key.asymmetricKeyDetails?.modulusLength === size * 8) return key;
  } catch {
    // Not a key at all: as useless as one of another kind.
  }
  throw unusableAnswer('getPublicKey', 'NO_RSA_KEY');
}

function error(
  action: KmsAction,
  fault: KmsFault,
  details: Pick<KmsErrorDetails, 'providerCode' | 'advice'>,
): KmsError {
  return new KmsError(fault, { provider: 'gcp_kms', operation: operationName(action), ...details });
}
