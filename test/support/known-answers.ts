/** The known answers of `test/vectors/keyproxy.json`; all byte strings are hex. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import { EncryptionContext } from '../../src/base/encryption-context.ts';
import { SecretBytes } from '../../src/base/secret.ts';
import { DataKey } from '../../src/envelope/data-key.ts';

type Pairs = Readonly<Record<string, string>>;
type Entry = Readonly<Record<'providerId' | 'providerInfo' | 'ciphertext', string>>;

interface KnownAnswers {
  readonly contexts: readonly { readonly pairs: Pairs; readonly serialized: string }[];
  readonly messageKeys: readonly Readonly<Record<'dek' | 'messageId' | 'commitment' | 'contentKey', string>>[];
  readonly derivedDeks: readonly (Readonly<Record<'root' | 'salt' | 'tenantId' | 'derived', string>> & {
    readonly length: number;
    readonly context: Pairs;
  })[];
  readonly wrappedDeks: readonly (Readonly<Record<'p' | 'tenantId' | 'tag' | 'wrappedDek', string>> & {
    readonly kind: 1 | 2 | 3;
    readonly length: number;
    readonly salt?: string;
    readonly entries: readonly Entry[];
    readonly context: Pairs;
  })[];
  readonly associatedData: readonly Readonly<Record<'dek' | 'r' | 'associatedData' | 'messageId', string>>[];
  readonly messages: readonly (Readonly<Record<'dek' | 'associatedData' | 'plaintext' | 'message', string>> & {
    readonly messageId: string;
    readonly context: Pairs;
    readonly entries: readonly Entry[];
  })[];
}

const file = resolve(import.meta.dirname, '../vectors/keyproxy.json');

/** The whole file. */
export const knownAnswers = JSON.parse(readFileSync(file, 'utf8')) as KnownAnswers;

/** Bytes from hex. */
export function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}

/** A data key from its bytes in hex. */
export function dataKeyOf(text: string): DataKey {
  return DataKey.adopt(SecretBytes.adopt(hex(text)));
}

/** A context from a JSON object. */
export function contextOf(pairs: Pairs): EncryptionContext {
  return EncryptionContext.of(Object.entries(pairs));
}

/** Entries from their JSON form. */
export function entriesOf(entries: readonly Entry[]): EncryptedDataKey[] {
  return entries.map((entry) => ({
    providerId: hex(entry.providerId),
    providerInfo: hex(entry.providerInfo),
    ciphertext: hex(entry.ciphertext),
  }));
}
