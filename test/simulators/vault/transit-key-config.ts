/** `POST keys/:name/config`. Source: OpenBao `builtin/logical/transit/path_keys_config.go`. */
import { refusal } from './errors.ts';
import type { Fields } from './fields.ts';
import type { Reply } from './logical.ts';
import { describeKey, type TransitKey } from './transit-key.ts';

const forcedMinimum =
  'since Vault 0.3 (prior to the OpenBao fork), transit key numbering starts at 1; forcing minimum to 1';

/** Changes a key's limits, or nothing at all where one of them cannot be. */
export async function configureKey(key: TransitKey | undefined, fields: Fields): Promise<Reply> {
  if (key === undefined) throw refusal(`no existing key named ${fields.string('name')} could be found`);
  const minimums = newMinimums(key, fields);
  const period = fields.has('auto_rotate_period') ? autoRotatePeriod(fields) : key.autoRotatePeriod;
  Object.assign(key, minimums, { autoRotatePeriod: period });
  if (fields.has('deletion_allowed')) key.deletionAllowed = fields.bool('deletion_allowed');
  key.exportable ||= fields.bool('exportable');
  key.allowPlaintextBackup ||= fields.bool('allow_plaintext_backup');
  const forced = fields.has('min_decryption_version') && fields.int('min_decryption_version') === 0;
  return { data: await describeKey(key), ...(forced && { warnings: [forcedMinimum] }) };
}

function newMinimums(key: TransitKey, fields: Fields): { minDecryptionVersion: number; minEncryptionVersion: number } {
  const minDecryptionVersion = Math.max(minimum(key, fields, 'decryption') ?? key.minDecryptionVersion, 1);
  const minEncryptionVersion = minimum(key, fields, 'encryption') ?? key.minEncryptionVersion;
  if (minEncryptionVersion > 0 && minEncryptionVersion < minDecryptionVersion) {
    throw refusal(
      `cannot set min encryption/decryption values; min encryption version of ${minEncryptionVersion} must be greater than or equal to min decryption version of ${minDecryptionVersion}`,
    );
  }
  return { minDecryptionVersion, minEncryptionVersion };
}

function minimum(key: TransitKey, fields: Fields, use: 'encryption' | 'decryption'): number | undefined {
  const name = `min_${use}_version`;
  if (!fields.has(name)) return undefined;
  const value = fields.int(name);
  if (value < 0) throw refusal(`min ${use} version cannot be negative`);
  const newest = key.versions.length;
  if (value > newest) {
    throw refusal(`cannot set min ${use} version of ${value}, latest key version is ${newest}`);
  }
  return value;
}

/** Seconds; throws below an hour, except for never. */
export function autoRotatePeriod(fields: Fields): number {
  const period = fields.seconds('auto_rotate_period');
  if (period !== 0 && period < 3600) throw refusal('auto rotate period must be 0 to disable or at least an hour');
  return period;
}
