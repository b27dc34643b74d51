/**
 * Opens a message under a data key. The order is fixed, and nothing comes out before the last step has passed:
 * commitment → header tag → associated data → frames → footer and end.
 */
import { createDecipheriv, type DecipherGCM, type KeyObject } from 'node:crypto';
import { equalInConstantTime } from '../base/bytes.ts';
import { associatedDataPair, type EncryptionContext } from '../base/encryption-context.ts';
import { type FramePlace, frameAad, framePlaces } from './body.ts';
import { type DataKey, tagLength } from './data-key.ts';
import { failDecryption } from './failure.ts';
import { checkFooter } from './footer.ts';
import { gcmTagLength, ivLength, type MessageHeader } from './header.ts';
import { messageLimits } from './limits.ts';
import { deriveMessageKeys, type MessageKeys } from './message-keys.ts';
import { committingSuite } from './suites.ts';

/** What opens a message. Everything stays the caller's. */
export interface OpenRequest {
  readonly message: Buffer;
  /** What `parseHeader` made of this very message. */
  readonly header: MessageHeader;
  readonly dataKey: DataKey;
  /** What was bound to the message when it was written; empty means none. */
  readonly associatedData: Uint8Array;
  /** Pairs that are authenticated with the header without being stored in it. */
  readonly requiredContext?: EncryptionContext;
}

/**
 * Returns the plaintext, which is the caller's, once every check has passed. Throws `DECRYPT_FAILED` on anything else:
 * another data key, a changed, missing or additional byte, other associated data, a bad signature.
 */
export function openMessage(request: OpenRequest): Buffer {
  const { message, header, dataKey } = request;
  if (dataKey.length !== header.suite.keyLength) failDecryption('the data key has not the length of the suite');
  const keys = deriveMessageKeys(dataKey, header.suite, header.messageId);
  checkCommitment(keys, header);
  checkHeaderTag(keys.contentKey, request);
  checkAssociatedData(request);
  const { bodyEnd, plaintextLength } = measureBody(message, header);
  const end = checkFooter(message, header, bodyEnd);
  if (end !== message.length) failDecryption('bytes follow the end of the message');
  return openFrames(request, keys.contentKey, plaintextLength);
}

function checkCommitment(keys: MessageKeys, header: MessageHeader): void {
  if (keys.commitment === undefined && header.commitment === undefined) return;
  if (keys.commitment === undefined || header.commitment === undefined) failDecryption('a commitment is missing');
  if (!equalInConstantTime(keys.commitment, header.commitment)) failDecryption('the message commits to another key');
}

function checkHeaderTag(contentKey: KeyObject, { header, requiredContext }: OpenRequest): void {
  const decipher = decipherOf(contentKey, header, header.iv);
  const required = requiredContext?.serialized;
  const stored = header.authenticated;
  decipher.setAAD(required === undefined ? stored : Buffer.concat([stored, required]));
  decipher.setAuthTag(header.tag);
  if (!passes(decipher)) failDecryption('the tag of the header does not match');
}

/** A message with the flag needs its associated data, one without it takes none; only the writer's suite binds any. */
function checkAssociatedData({ header, dataKey, associatedData }: OpenRequest): void {
  const flag = header.context.pairs.get(associatedDataPair);
  if (flag === undefined && associatedData.length === 0) return;
  if (flag !== '1') failDecryption('the message binds no associated data, or its flag has an unknown value');
  if (associatedData.length === 0) failDecryption('the message needs its associated data');
  if (header.suite !== committingSuite) failDecryption('this suite binds no associated data');
  const split = header.messageId.length - tagLength;
  const expected = dataKey.associatedDataTag(header.messageId.subarray(0, split), associatedData);
  if (!equalInConstantTime(expected, header.messageId.subarray(split)))
    failDecryption('other associated data is bound');
}

/** Walks the whole body before any of it is decrypted, so that the plaintext is allocated once and to its true size. */
function measureBody(message: Buffer, header: MessageHeader): { bodyEnd: number; plaintextLength: number } {
  let bodyEnd = header.bodyOffset;
  let plaintextLength = 0;
  let frames = 0;
  for (const place of framePlaces(message, header)) {
    frames += 1;
    if (frames > messageLimits.maxFrames) failDecryption('the message has more frames than are opened at once');
    plaintextLength += place.length;
    bodyEnd = place.end;
  }
  return { bodyEnd, plaintextLength };
}

function openFrames({ message, header }: OpenRequest, contentKey: KeyObject, plaintextLength: number): Buffer {
  const plaintext = Buffer.allocUnsafe(plaintextLength);
  let done = 0;
  for (const place of framePlaces(message, header)) {
    const frame = openFrame(message, header, { place, contentKey });
    if (frame === undefined) {
      plaintext.fill(0, 0, done);
      failDecryption('the tag of a frame does not match');
    }
    // The usual message is one frame; it is returned as it came, without a copy. An empty final frame that follows a
    // regular one still has a tag to check: without it anyone could cut a message after its first frame.
    if (place.kind !== 'regular' && frame.length === plaintextLength) return frame;
    plaintext.set(frame, done);
    done += frame.length;
  }
  return plaintext;
}

function openFrame(
  message: Buffer,
  header: MessageHeader,
  { place, contentKey }: { place: FramePlace; contentKey: KeyObject },
): Buffer | undefined {
  const contentEnd = place.contentAt + place.length;
  const decipher = decipherOf(contentKey, header, message.subarray(place.ivAt, place.ivAt + ivLength));
  decipher.setAAD(frameAad(header.messageId, place));
  decipher.setAuthTag(message.subarray(contentEnd, contentEnd + gcmTagLength));
  const content = decipher.update(message.subarray(place.contentAt, contentEnd));
  if (passes(decipher)) return content;
  content.fill(0);
  return undefined;
}

function decipherOf(contentKey: KeyObject, { suite }: MessageHeader, iv: Buffer): DecipherGCM {
  return createDecipheriv(suite.cipher, contentKey, iv, { authTagLength: gcmTagLength });
}

/** Tells whether the tag matches; the only error that `final` knows in this mode is that it does not. */
function passes(decipher: DecipherGCM): boolean {
  try {
    decipher.final();
    return true;
  } catch {
    return false;
  }
}
