/**
 * Real RSA and EC key pairs, made when first asked for. Making RSA-4096 takes seconds, so the process keeps what it made;
 * the n-th key of a spec in one simulator gets the n-th pair, so two keys of one simulator never share a pair.
 */
import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** The specs that have a pair. */
export type PairSpec = 'RSA_2048' | 'RSA_3072' | 'RSA_4096' | 'ECC_NIST_P256';

const makers: Record<PairSpec, () => Promise<KeyPair>> = {
  RSA_2048: () => generate('rsa', { modulusLength: 2048 }),
  RSA_3072: () => generate('rsa', { modulusLength: 3072 }),
  RSA_4096: () => generate('rsa', { modulusLength: 4096 }),
  ECC_NIST_P256: () => generate('ec', { namedCurve: 'P-256' }),
};

const made = new Map<string, Promise<KeyPair>>();

/** Hands out pairs to the keys of one simulator. */
export class KeyPairSource {
  readonly #handedOut = new Map<PairSpec, number>();

  /** Reserves the next pair of `spec`; the function that comes back makes it, or finds it made. */
  reserve(spec: PairSpec): () => Promise<KeyPair> {
    const index = this.#handedOut.get(spec) ?? 0;
    this.#handedOut.set(spec, index + 1);
    return () => {
      const name = `${spec}/${index}`;
      const pair = made.get(name) ?? makers[spec]();
      made.set(name, pair);
      return pair;
    };
  }
}
