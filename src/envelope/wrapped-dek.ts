/**
 * A wrapped DEK: what GenerateDEK gives beside the plaintext and Unwrap takes back.
 *
 *     wrapped_dek = 01 ‖ kind:u8 ‖ L:u8 ‖ salt[32] if kind = 2 ‖ n:u8 ‖ n entries ‖ tag[16]
 *     kind  1 = straight from the provider, 2 = derived from a root, 3 = a root (for the store alone)
 *     L     length of the DEK in bytes: 16, 24, 32 or 64
 *     P     what a key service makes of an entry: the DEK itself (kind 1), or a root of 32 bytes (kinds 2 and 3)
 *
 * The tag (`DataKey.wrapTag`) binds tenant and context under P. It keeps tenants and contexts apart against everyone
 * who does not hold P; it does not prove who wrote it.
 */
import { equalInConstantTime } from '../base/bytes.ts';
import { type EncryptedDataKey, parseEntries, serializeEntries } from '../base/encrypted-data-key.ts';
import type { EncryptionContext } from '../base/encryption-context.ts';
import { ByteReader } from './byte-reader.ts';
import { type DataKey, saltLength, tagLength } from './data-key.ts';
import { failDecryption } from './failure.ts';
import { type HeaderLimits, messageLimits } from './limits.ts';

const formatVersion = 1;
const rootLength = 32;
const dekLengths: ReadonlySet<number> = new Set([16, 24, 32, 64]);

/** Whether the bytes come with a salt, and what P is to them. */
type Form = { readonly kind: 1 | 3; readonly salt?: undefined } | { readonly kind: 2; readonly salt: Buffer };

/** A wrapped DEK as it stands; buffers are views of what was parsed. Its tag is not checked yet. */
export type WrappedDek = Form & {
  /** Length of the DEK in bytes; of the root, for kind 3. */
  readonly length: number;
  /** One per replica, 1 to 16. */
  readonly entries: readonly EncryptedDataKey[];
  /** The entries as one piece, without their count. */
  readonly entriesBytes: Buffer;
  /** All bytes before the tag. */
  readonly body: Buffer;
  readonly tag: Buffer;
};

/** What a wrapped DEK is made of. `dataKey` is P and stays the caller's. */
export interface WrappedDekRequest {
  readonly kind: WrappedDek['kind'];
  readonly length: number;
  /** 32 random bytes for kind 2, nothing for the others. */
  readonly salt?: Buffer;
  readonly entries: readonly EncryptedDataKey[];
  readonly dataKey: DataKey;
  readonly tenantId: string;
  readonly context: EncryptionContext;
}

/**
 * Writes a wrapped DEK with its tag. Throws a RangeError where the parts do not fit each other: a length that is none
 * of the four, a P of another length, a salt of other than 32 bytes, no entry or more than 16.
 */
export function serializeWrappedDek(request: WrappedDekRequest): Buffer {
  const { kind, length, entries, dataKey } = request;
  const salt = request.salt ?? Buffer.alloc(0);
  if (!fits(kind, length) || dataKey.length !== lengthOfP(kind, length)) {
    throw new RangeError('the lengths of a wrapped DEK do not fit its kind');
  }
  if (salt.length !== (kind === 2 ? saltLength : 0)) throw new RangeError('the salt of a wrapped DEK has 32 bytes');
  if (entries.length === 0 || entries.length > messageLimits.maxEncryptedDataKeys) {
    throw new RangeError('a wrapped DEK needs 1 to 16 encrypted data keys');
  }
  const body = Buffer.concat([
    Uint8Array.of(formatVersion, kind, length),
    salt,
    Uint8Array.of(entries.length),
    serializeEntries(entries),
  ]);
  return Buffer.concat([body, dataKey.wrapTag(body, request.tenantId, request.context)]);
}

/** Reads a wrapped DEK. Throws `DECRYPT_FAILED` on whatever the format does not allow, bytes after the end included. */
export function parseWrappedDek(
  bytes: Buffer,
  { maxEncryptedDataKeys }: Pick<HeaderLimits, 'maxEncryptedDataKeys'>,
): WrappedDek {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== formatVersion) failDecryption('the version of the wrapped DEK is unknown');
  const kind = reader.u8();
  if (kind !== 1 && kind !== 2 && kind !== 3) failDecryption('the kind of the wrapped DEK is unknown');
  const length = reader.u8();
  if (!fits(kind, length)) failDecryption('the length of the wrapped DEK does not exist');
  const form: Form = kind === 2 ? { kind, salt: reader.bytes(saltLength) } : { kind };
  const count = reader.u8();
  if (count === 0 || count > maxEncryptedDataKeys) failDecryption('the wrapped DEK has no entry or too many');
  const parsed = parseEntries(bytes, reader.offset, count);
  if (parsed === undefined) failDecryption('an entry of the wrapped DEK runs over the end');
  const entriesBytes = reader.bytes(parsed.end - reader.offset);
  const body = bytes.subarray(0, reader.offset);
  const tag = reader.bytes(tagLength);
  if (reader.offset !== bytes.length) failDecryption('bytes follow the end of the wrapped DEK');
  return { ...form, length, entries: parsed.entries, entriesBytes, body, tag };
}

/**
 * Tells whether `dataKey` is the P of this wrapped DEK, for this tenant and context: its length fits and the tag,
 * compared in constant time, matches.
 */
export function wrapTagMatches(
  wrapped: WrappedDek,
  dataKey: DataKey,
  tenantId: string,
  context: EncryptionContext,
): boolean {
  if (dataKey.length !== lengthOfP(wrapped.kind, wrapped.length)) return false;
  return equalInConstantTime(dataKey.wrapTag(wrapped.body, tenantId, context), wrapped.tag);
}

function fits(kind: WrappedDek['kind'], length: number): boolean {
  return kind === 3 ? length === rootLength : dekLengths.has(length);
}

function lengthOfP(kind: WrappedDek['kind'], length: number): number {
  return kind === 1 ? length : rootLength;
}
