/**
 * Custom key stores: keys whose material is in a customer's CloudHSM cluster or behind an external key manager.
 *
 * Whatever is wrong with the store, KMS answers cryptographic operations with one code, KMSInvalidStateException. Keys
 * of a disconnected store are `Unavailable`; for all other trouble the key still says `Enabled` (KMS developer guide,
 * "Key stores", "Troubleshooting external key stores").
 */
import { randomBytes } from 'node:crypto';
import { kmsError } from './errors.ts';
import type { KeyRecord, KeyState } from './keys.ts';

export type StoreType = 'AWS_CLOUDHSM' | 'EXTERNAL_KEY_STORE';

/** `timed-out`: the external key manager's proxy did not answer KMS within 250 ms. */
export type StoreCondition = 'connected' | 'disconnected' | 'timed-out' | 'unreachable' | 'denied-by-key-manager';

export interface CustomKeyStore {
  /** `cks-` and 17 hex digits. */
  readonly id: string;
  readonly type: StoreType;
  /** What the next request meets. */
  condition: StoreCondition;
}

const troubles: Record<Exclude<StoreCondition, 'connected'>, string> = {
  disconnected: 'is unavailable.',
  'timed-out': 'cannot be used because the external key store proxy did not respond in time.',
  unreachable: 'cannot be used because the external key store proxy cannot be reached.',
  'denied-by-key-manager': 'cannot be used because the external key store proxy denied access to the external key.',
};

/** Makes a store that is connected. */
export function makeKeyStore(type: StoreType): CustomKeyStore {
  return { id: `cks-${randomBytes(9).toString('hex').slice(0, 17)}`, type, condition: 'connected' };
}

/** The state that DescribeKey tells. */
export function stateOf(key: KeyRecord): KeyState {
  return key.state === 'Enabled' && key.store?.condition === 'disconnected' ? 'Unavailable' : key.state;
}

/** Throws where the store that holds the key's material does not do its part. */
export function checkStore(key: KeyRecord): void {
  const condition = key.store?.condition ?? 'connected';
  if (condition === 'connected') return;
  throw kmsError('KMSInvalidStateException', `${key.arn} ${troubles[condition]}`);
}
