/**
 * The header of a message, both versions (AWS Encryption SDK specification, data-format/message-header.md; integers
 * big-endian).
 *
 *     v1 = 01 ‖ 80 ‖ suite:u16 ‖ id[16] ‖ ecLen:u16 ‖ ec ‖ n:u16 ‖ n entries ‖ content:u8 ‖ 00000000 ‖ 0C
 *          ‖ frameLength:u32 ‖ iv[12] ‖ tag[16]
 *     v2 = 02 ‖ suite:u16 ‖ id[32] ‖ ecLen:u16 ‖ ec ‖ n:u16 ‖ n entries ‖ content:u8 ‖ frameLength:u32
 *          ‖ commitment[32] ‖ tag[16]                                                     (its IV is zero)
 *
 * What is authenticated is everything before iv and tag. Nothing here is trusted yet: the tag is checked when the
 * message is opened, and until then the fields serve to find the key and for nothing else.
 */
import { type EncryptedDataKey, parseEntries } from '../base/encrypted-data-key.ts';
import { EncryptionContext } from '../base/encryption-context.ts';
import { ByteReader } from './byte-reader.ts';
import { failDecryption } from './failure.ts';
import { type HeaderLimits, messageLimits } from './limits.ts';
import { commitmentLength } from './message-keys.ts';
import { type Suite, suites } from './suites.ts';

/** Length in bytes of every IV. */
export const ivLength = 12;
/** Length in bytes of every AES-GCM tag. */
export const gcmTagLength = 16;
/** The pair under which a signed message carries its public key, base64 of a compressed point. */
export const publicKeyPair = 'aws-crypto-public-key';

const messageType = 0x80;
const contentTypes: ReadonlyMap<number, ContentType> = new Map([
  [1, 'non-framed'],
  [2, 'framed'],
]);

/** How the body is cut. Non-framed messages are read, never written. */
type ContentType = 'framed' | 'non-framed';

/** A header as it stands. All buffers are views of the message; do not write to them. */
export interface MessageHeader {
  readonly version: 1 | 2;
  readonly suite: Suite;
  /** 16 bytes in version 1, 32 in version 2. */
  readonly messageId: Buffer;
  /** The stored pairs, reserved ones included. */
  readonly context: EncryptionContext;
  /** One or more. */
  readonly entries: readonly EncryptedDataKey[];
  /** The entries as one piece, without their count. */
  readonly entriesBytes: Buffer;
  readonly contentType: ContentType;
  /** Plaintext bytes of every frame but the last; 0 in a non-framed message. */
  readonly frameLength: number;
  /** 32 bytes, in committing suites. */
  readonly commitment: Buffer | undefined;
  /** What the tag authenticates. */
  readonly authenticated: Buffer;
  readonly iv: Buffer;
  readonly tag: Buffer;
  /** Where the body begins in the message. */
  readonly bodyOffset: number;
}

const zeroIv = Buffer.alloc(ivLength);

/**
 * Reads the header of `message`. Allocates in proportion to what the message really holds, never to what a length
 * field says, and refuses a count of entries over the limit before it reads the first. Throws `DECRYPT_FAILED` on
 * whatever the format does not allow.
 */
export function parseHeader(message: Buffer, limits: HeaderLimits): MessageHeader {
  const reader = new ByteReader(message);
  const version = readVersion(reader);
  const suite = readSuite(reader, version);
  const messageId = reader.bytes(version === 1 ? 16 : 32);
  const context = readContext(reader, limits.maxContextBytes ?? messageLimits.maxContextBytes);
  if (context.pairs.has(publicKeyPair) !== (suite.signature !== undefined)) {
    failDecryption('the context has a public key and the suite no signature, or the other way round');
  }
  const { entries, entriesBytes } = readEntries(reader, message, limits.maxEncryptedDataKeys);
  const { contentType, frameLength } = readContent(reader, version);
  const commitment = version === 2 ? reader.bytes(commitmentLength) : undefined;
  const authenticated = message.subarray(0, reader.offset);
  const iv = version === 1 ? reader.bytes(ivLength) : zeroIv;
  const tag = reader.bytes(gcmTagLength);
  return {
    version,
    suite,
    messageId,
    context,
    entries,
    entriesBytes,
    contentType,
    frameLength,
    commitment,
    authenticated,
    iv,
    tag,
    bodyOffset: reader.offset,
  };
}

function readVersion(reader: ByteReader): 1 | 2 {
  const version = reader.u8();
  if (version === 0x41) failDecryption('the message begins like the base64 text of a message');
  if (version !== 1 && version !== 2) failDecryption('the version of the message is neither 1 nor 2');
  if (version === 1 && reader.u8() !== messageType) failDecryption('the type of the message is unknown');
  return version;
}

function readSuite(reader: ByteReader, version: 1 | 2): Suite {
  const suite = suites.get(reader.u16());
  if (suite === undefined) failDecryption('the algorithm suite is unknown');
  if (suite.version !== version) failDecryption('the algorithm suite belongs to another version');
  return suite;
}

function readContext(reader: ByteReader, maxBytes: number): EncryptionContext {
  const length = reader.u16();
  if (length > maxBytes) failDecryption('the encryption context is over the limit');
  const context = EncryptionContext.parse(reader.bytes(length));
  return context ?? failDecryption('the encryption context is malformed');
}

function readEntries(reader: ByteReader, message: Buffer, max: number) {
  const count = reader.u16();
  if (count === 0) failDecryption('the message has no encrypted data key');
  if (count > max) failDecryption('the message has more encrypted data keys than the limit');
  const parsed = parseEntries(message, reader.offset, count);
  if (parsed === undefined) failDecryption('an encrypted data key runs over the end');
  const entriesBytes = reader.bytes(parsed.end - reader.offset);
  return { entries: parsed.entries, entriesBytes };
}

function readContent(reader: ByteReader, version: 1 | 2): { contentType: ContentType; frameLength: number } {
  const contentType = contentTypes.get(reader.u8());
  if (contentType === undefined) failDecryption('the content type is unknown');
  if (version === 1) {
    if (reader.u32() !== 0) failDecryption('the reserved bytes are not zero');
    if (reader.u8() !== ivLength) failDecryption('the IV length is not 12');
  }
  const frameLength = reader.u32();
  if ((frameLength === 0) !== (contentType === 'non-framed')) {
    failDecryption('the frame length does not fit the content type');
  }
  return { contentType, frameLength };
}
