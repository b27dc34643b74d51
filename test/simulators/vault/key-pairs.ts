/**
 * Real key pairs, made when first asked for. Making RSA-4096 takes seconds, so the process keeps what it made; the n-th
 * version of a type in one simulator gets the n-th pair, so no two of one simulator share a pair.
 */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { type KeyPair, rsaPair } from '../../support/kept-pairs.ts';

const generate = promisify(generateKeyPair);

const makers = {
  'rsa-2048': (index) => rsaPair(2048, `vault-${index}`),
  'rsa-3072': (index) => rsaPair(3072, `vault-${index}`),
  'rsa-4096': (index) => rsaPair(4096, `vault-${index}`),
  'ecdsa-p256': () => generate('ec', { namedCurve: 'P-256' }),
  'ecdsa-p384': () => generate('ec', { namedCurve: 'P-384' }),
  'ecdsa-p521': () => generate('ec', { namedCurve: 'P-521' }),
  ed25519: () => generate('ed25519'),
} as const satisfies Record<string, (index: number) => Promise<KeyPair>>;

/** The key types that have a pair. */
export type PairType = keyof typeof makers;

const made = new Map<string, Promise<KeyPair>>();

/** Whether keys of the type are pairs. */
export function isPairType(type: string): type is PairType {
  return Object.hasOwn(makers, type);
}

/** Hands out pairs to the keys of one simulator. */
export class KeyPairSource {
  readonly #handedOut = new Map<PairType, number>();

  /** Reserves the next pair of `type`; the function that comes back makes it, or finds it made. */
  reserve(type: PairType): () => Promise<KeyPair> {
    const index = this.#handedOut.get(type) ?? 0;
    this.#handedOut.set(type, index + 1);
    return () => {
      const name = `${type}/${index}`;
      const pair = made.get(name) ?? makers[type](index);
      made.set(name, pair);
      return pair;
    };
  }
}
