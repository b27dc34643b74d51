/** The official message-format vectors of `test/vectors/esdk`, and how their manifest reads. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const folder = resolve(import.meta.dirname, '../vectors/esdk');

/** Where a vector's data key comes from. */
export type Keyring =
  | { readonly kind: 'raw-aes'; readonly provider: string; readonly name: string; readonly key: string }
  | { readonly kind: 'multi'; readonly children: readonly Keyring[] }
  | { readonly kind: 'dek'; readonly b64?: string; readonly key?: string };

/** One message that some official SDK wrote, and what a reader has to make of it. */
export interface Vector {
  readonly id: string;
  readonly expect: 'ok' | 'fail';
  readonly suite: string;
  readonly ciphertext: string;
  readonly plaintext?: { readonly file: string };
  readonly policy: 'require' | 'allow';
  /** Where a reader that keeps the order of checks fails. */
  readonly stage?: 'commitment' | 'header-auth';
  readonly keyring: Keyring;
  /** The pairs that must come back, without the public key of a signed message. */
  readonly encryptionContext?: Readonly<Record<string, string>>;
  readonly requiredEncryptionContextKeys?: readonly string[];
  readonly reproducedEncryptionContext?: Readonly<Record<string, string>>;
  readonly maxEncryptedDataKeys?: number;
  /** The derived keys in hex, where the source of the vector publishes them; the content key not always. */
  readonly answer?: { readonly commitKey: string; readonly contentKey?: string };
}

/** Every field that a vector may have: a field beyond these would change what a reader has to do. */
export const knownFields: ReadonlySet<string> = new Set([
  ...['id', 'expect', 'suite', 'contentType', 'frameLength', 'ciphertext', 'ciphertextLength', 'policy', 'plaintext'],
  ...['keyring', 'encryptionContext', 'requiredEncryptionContextKeys', 'reproducedEncryptionContext', 'answer'],
  ...['maxEncryptedDataKeys', 'origin', 'description', 'officialJs', 'strictReader', 'stage', 'why'],
]);

interface Manifest {
  readonly keys: Readonly<Record<string, { readonly b64: string }>>;
  readonly tests: readonly Vector[];
}

const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;

/** All vectors, in the manifest's order. */
export const vectors = manifest.tests;

/** The bytes of a named key. */
export function vectorKey(name: string): Buffer {
  const key = manifest.keys[name];
  if (key === undefined) throw new Error(`the manifest has no key ${name}`);
  return Buffer.from(key.b64, 'base64');
}

/** A file of the vectors, `ct/…` or `pt/…`. */
export function vectorFile(path: string): Buffer {
  return readFileSync(join(folder, path));
}
