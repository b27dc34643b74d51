/**
 * Writes a message: suite 0478, version 2, frames of 64 KiB, the last one final (it may be full, or empty for an empty
 * plaintext). Every message has an id of its own and therefore a content key of its own, which is what makes the
 * counting IVs safe; a message is never written twice under one id, not even for a retry.
 *
 *     message id = 32 random bytes                                       without associated data
 *                | r[16] ‖ HMAC-SHA256(associated-data key, r ‖ AD)[16]   with it, and the pair keyproxy-ad = 1
 */
import { createCipheriv, type KeyObject } from 'node:crypto';
import { type EncryptedDataKey, serializeEntries } from '../base/encrypted-data-key.ts';
import { associatedDataPair, type EncryptionContext } from '../base/encryption-context.ts';
import { KeyproxyError } from '../base/errors.ts';
import { fillRandom } from '../base/random.ts';
import { finalFrameMark, finalFrameOverhead, frameAad, frameOverhead } from './body.ts';
import { type DataKey, tagLength } from './data-key.ts';
import { gcmTagLength, ivLength } from './header.ts';
import { messageLimits } from './limits.ts';
import { commitmentLength, deriveMessageKeys } from './message-keys.ts';
import { committingSuite } from './suites.ts';

const frameLength = 64 * 1024;
const framedContent = 2;
const idOffset = 3;
const idLength = 32;
/** Version, suite, id, three counts or lengths, content type, frame length and commitment. */
const fixedHeaderLength = idOffset + idLength + 2 + 2 + 1 + 4 + commitmentLength;

/** What goes into a message. Everything stays the caller's. */
export interface EncryptRequest {
  /** 32 bytes, as the suite has it; one data key serves at most 2^32 messages. */
  readonly dataKey: DataKey;
  /** The wrapped forms of the data key, 1 to 16. */
  readonly entries: readonly EncryptedDataKey[];
  /** All pairs of the header; with associated data they hold `keyproxy-ad` = `1` already, without it no such pair. */
  readonly context: EncryptionContext;
  readonly plaintext: Uint8Array;
  /** Bound to the message and not stored in it; empty means none. */
  readonly associatedData: Uint8Array;
}

/**
 * Encrypts `plaintext` and returns the whole message, allocated once. Throws `CONTEXT_INVALID` where the context is
 * longer than readers take, and plain errors where the caller broke its side: a data key of another length, no entry
 * or too many, a context that disagrees with the associated data.
 */
export function encryptMessage(request: EncryptRequest): Buffer {
  checkRequest(request);
  const entries = serializeEntries(request.entries);
  const headerLength = fixedHeaderLength + request.context.serialized.length + entries.length;
  const length = request.plaintext.length;
  const regularFrames = Math.max(0, Math.ceil(length / frameLength) - 1);
  const message = Buffer.allocUnsafe(
    headerLength + gcmTagLength + regularFrames * frameOverhead + finalFrameOverhead + length,
  );
  const messageId = message.subarray(idOffset, idOffset + idLength);
  writeMessageId(messageId, request);
  const keys = deriveMessageKeys(request.dataKey, committingSuite, messageId);
  if (keys.commitment === undefined) throw new Error('the suite for writing does not commit to its key');
  writeHeader(message, request, entries);
  message.set(keys.commitment, headerLength - commitmentLength);
  const bodyOffset = writeHeaderTag(message, headerLength, keys.contentKey);
  writeFrames(message, bodyOffset, { messageId, contentKey: keys.contentKey, plaintext: request.plaintext });
  return message;
}

function checkRequest({ dataKey, entries, context, associatedData }: EncryptRequest): void {
  if (dataKey.length !== committingSuite.keyLength) throw new RangeError('a message needs a data key of 32 bytes');
  if (entries.length === 0 || entries.length > messageLimits.maxEncryptedDataKeys) {
    throw new RangeError('a message needs 1 to 16 encrypted data keys');
  }
  const flag = associatedData.length === 0 ? undefined : '1';
  if (context.pairs.get(associatedDataPair) !== flag) {
    throw new Error('the context and the associated data of a message disagree');
  }
  const contextLength = context.serialized.length;
  if (contextLength > messageLimits.maxContextBytes) {
    throw new KeyproxyError('CONTEXT_INVALID', {
      detail: `it has ${contextLength} bytes serialised, the limit is ${messageLimits.maxContextBytes}`,
    });
  }
}

function writeMessageId(messageId: Buffer, { dataKey, associatedData }: EncryptRequest): void {
  if (associatedData.length === 0) {
    fillRandom(messageId);
    return;
  }
  const random = messageId.subarray(0, idLength - tagLength);
  fillRandom(random);
  messageId.set(dataKey.associatedDataTag(random, associatedData), random.length);
}

/** Everything between the message id and the commitment, and what stands before the id. */
function writeHeader(message: Buffer, { context, entries }: EncryptRequest, serializedEntries: Buffer): void {
  message.writeUInt8(committingSuite.version, 0);
  message.writeUInt16BE(committingSuite.id, 1);
  let offset = message.writeUInt16BE(context.serialized.length, idOffset + idLength);
  message.set(context.serialized, offset);
  offset = message.writeUInt16BE(entries.length, offset + context.serialized.length);
  message.set(serializedEntries, offset);
  offset = message.writeUInt8(framedContent, offset + serializedEntries.length);
  message.writeUInt32BE(frameLength, offset);
}

const zeroIv = Buffer.alloc(ivLength);

function writeHeaderTag(message: Buffer, headerLength: number, contentKey: KeyObject): number {
  const cipher = createCipheriv('aes-256-gcm', contentKey, zeroIv);
  cipher.setAAD(message.subarray(0, headerLength));
  cipher.final();
  message.set(cipher.getAuthTag(), headerLength);
  return headerLength + gcmTagLength;
}

interface Content {
  readonly messageId: Buffer;
  readonly contentKey: KeyObject;
  readonly plaintext: Uint8Array;
}

function writeFrames(message: Buffer, bodyOffset: number, { messageId, contentKey, plaintext }: Content): void {
  let offset = bodyOffset;
  for (let sequence = 1, done = 0; ; sequence++) {
    const left = plaintext.length - done;
    const kind = left > frameLength ? 'regular' : 'final';
    const length = Math.min(left, frameLength);
    if (kind === 'final') offset = message.writeUInt32BE(finalFrameMark, offset);
    offset = message.writeUInt32BE(sequence, offset);
    const iv = message.subarray(offset, offset + ivLength).fill(0);
    iv.writeUInt32BE(sequence, ivLength - 4);
    offset += ivLength;
    if (kind === 'final') offset = message.writeUInt32BE(length, offset);
    const cipher = createCipheriv('aes-256-gcm', contentKey, iv);
    cipher.setAAD(frameAad(messageId, { kind, sequence, length }));
    message.set(cipher.update(plaintext.subarray(done, done + length)), offset);
    cipher.final();
    message.set(cipher.getAuthTag(), offset + length);
    offset += length + gcmTagLength;
    done += length;
    if (kind === 'final') return;
  }
}
