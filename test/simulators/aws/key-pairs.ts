/**
 * Real RSA and EC key pairs, made when first asked for. Making RSA-4096 takes seconds, so the process keeps what it made;
 * the n-th key of a spec in one simulator gets the n-th pair, so two keys of one simulator never share a pair.
 */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { type KeyPair, rsaPair } from '../../support/kept-pairs.ts';

const generate = promisify(generateKeyPair);

/** The specs that have a pair. */
export type PairSpec = 'RSA_2048' | 'RSA_3072' | 'RSA_4096' | 'ECC_NIST_P256';

const makers: Record<PairSpec, (index: number) => Promise<KeyPair>> = {
  RSA_2048: (index) => rsaPair(2048, `cloud-${index}`),
  RSA_3072: (index) => rsaPair(3072, `cloud-${index}`),
  RSA_4096: (index) => rsaPair(4096, `cloud-${index}`),
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
      const pair = made.get(name) ?? makers[spec](index);
      made.set(name, pair);
      return pair;
    };
  }
}
