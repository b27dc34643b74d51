/**
 * What a refusal or a missing key means, by what else the vault tells: answers of Azure are about a version, and the
 * port's faults are about a key.
 */
import { gaveUp, KmsError, type KmsFault } from '../fault.ts';
import type { AzureKeyConfig } from '../key-config.ts';
import type { VaultCalls } from './vault-calls.ts';

/** What was asked about. */
export interface AskedKey {
  readonly calls: VaultCalls;
  readonly config: AzureKeyConfig;
  /** The version of an entry; absent where the key itself was read. */
  readonly version?: string;
  /** The version that new data goes under, where it is known. */
  readonly current?: string;
}

/**
 * The failure of a call, made more exact where the vault can be asked about the key. Never throws: where the vault does
 * not tell, the failure stays what it is.
 */
export async function explained(thrown: unknown, asked: AskedKey, signal: AbortSignal): Promise<KmsError> {
  const error = thrown instanceof KmsError ? thrown : gaveUp({ provider: 'azure_kv', operation: 'ReadAnswer' }, thrown);
  const { fault } = error;
  if (fault.kind === 'ambiguous' && fault.reason === 'KEY_NOT_FOUND') return await whyMissing(error, asked, signal);
  const isStateOfVersion = fault.kind === 'refusal' && fault.keyWide && versionStates.includes(fault.reason);
  return isStateOfVersion ? await howWide(error, fault, asked, signal) : error;
}

const versionStates: readonly string[] = ['KEY_DISABLED', 'KEY_STATE_INVALID'];

/**
 * A vault answers the same for a version that never was, a key that is deleted and one that is gone for good. Versions
 * cannot be deleted one by one, so where the key is there, it was the entry that named no version of it.
 */
async function whyMissing(error: KmsError, asked: AskedKey, signal: AbortSignal): Promise<KmsError> {
  const { calls, config, version } = asked;
  const newest = (version ?? config.keyVersion) === undefined ? undefined : await newestOf(asked, signal);
  if (newest !== undefined && version !== undefined) return as(error, { kind: 'data' });
  if (newest !== undefined) {
    return as(error, { kind: 'config', reason: 'KEY_NOT_FOUND' }, 'check key_version: the key has no such version');
  }
  if (!(await calls.isDeleted(signal))) return error;
  const advice = 'the key is deleted but can still be recovered; recover it in the vault';
  return as(error, { kind: 'refusal', reason: 'KEY_PENDING_DELETION', keyWide: true }, advice);
}

/**
 * A version that is switched off while a newer one is on takes its own entries along, and no others. Where the vault
 * does not tell which is the newest, an entry of another version than the one in use must not take the key along.
 */
async function howWide(
  error: KmsError,
  fault: KmsFault & { kind: 'refusal' },
  asked: AskedKey,
  signal: AbortSignal,
): Promise<KmsError> {
  if (asked.version === undefined) return error;
  const { version, current = version } = asked;
  const newest = (await newestOf(asked, signal)) ?? { version: current, enabled: true };
  const isOld = newest.version !== version && newest.enabled;
  return isOld ? as(error, { ...fault, keyWide: false }) : error;
}

async function newestOf({ calls }: AskedKey, signal: AbortSignal) {
  try {
    const { version, enabled } = (await calls.getKey(undefined, signal)).properties;
    return { version, enabled: enabled ?? true };
  } catch {
    return undefined;
  }
}

function as({ details }: KmsError, fault: KmsFault, advice?: string): KmsError {
  return new KmsError(fault, advice === undefined ? details : { ...details, advice });
}
