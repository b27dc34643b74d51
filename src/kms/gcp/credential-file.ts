/** Files with credentials, read at each renewal, so that a key that was replaced counts from then on. */

import { readFile } from 'node:fs/promises';
import { KmsError } from '../fault.ts';
import type { Fields } from '../fields.ts';
import { parsed } from './token-http.ts';

/** Reads a file with a JSON object. Throws a `KmsError` that names the setting, never path or content. */
export async function readCredentialFile(path: string, setting: string): Promise<Fields> {
  const bytes = await readFile(path).catch(() => {
    throw unusableFile(`check that the file of ${setting} exists and that keyproxy may read it`);
  });
  const json = parsed(bytes.toString('utf8'));
  bytes.fill(0);
  if (json === undefined) throw unusableFile(`check that the file of ${setting} is a JSON object`);
  return json;
}

/** A field that has to be a string that is not empty. */
export function textField(json: Fields, name: string, setting: string): string {
  const value = json[name];
  if (typeof value === 'string' && value !== '') return value;
  throw unusableFile(`the file of ${setting} has no ${name}`);
}

/** The error for a file that cannot be used. */
export function unusableFile(advice: string): KmsError {
  return new KmsError(
    { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' },
    { provider: 'gcp_kms', operation: 'ReadCredentials', advice },
  );
}
