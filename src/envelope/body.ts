/**
 * The body of a message: frames, or one block (AWS Encryption SDK specification, data-format/message-body.md and
 * message-body-aad.md; integers big-endian).
 *
 *     regular frame = seq:u32 ‖ iv[12] ‖ content[frameLength] ‖ tag[16]
 *     final frame   = FFFFFFFF ‖ seq:u32 ‖ iv[12] ‖ length:u32 ‖ content[length] ‖ tag[16]     length <= frameLength
 *     single block  = iv[12] ‖ length:u64 ‖ content[length] ‖ tag[16]                          non-framed messages
 *     AAD of each   = message id ‖ label ‖ seq:u32 ‖ length:u64
 *
 * Sequence numbers start at 1 and rise by 1. Exactly one final frame ends the body; it may be empty or full. The IV is
 * what stands in the frame: writers before the present ones did not always use the sequence number.
 */
import { ByteReader } from './byte-reader.ts';
import { failDecryption } from './failure.ts';
import { gcmTagLength, ivLength, type MessageHeader } from './header.ts';

/** Bytes of a regular frame beside its content. */
export const frameOverhead = 4 + ivLength + gcmTagLength;
/** Bytes of a final frame beside its content. */
export const finalFrameOverhead = 4 + 4 + ivLength + 4 + gcmTagLength;
/** Stands where a regular frame has its sequence number. */
export const finalFrameMark = 0xffffffff;

const maxSingleBlock = 2n ** 36n - 32n;

/** The three shapes of a piece of a body. */
type FrameKind = 'regular' | 'final' | 'single';

const labels: Readonly<Record<FrameKind, Buffer>> = {
  regular: Buffer.from('AWSKMSEncryptionClient Frame'),
  final: Buffer.from('AWSKMSEncryptionClient Final Frame'),
  single: Buffer.from('AWSKMSEncryptionClient Single Block'),
};

/** Where a piece lies in its message. Nothing of it is authenticated yet. */
export interface FramePlace {
  readonly kind: FrameKind;
  readonly sequence: number;
  readonly ivAt: number;
  readonly contentAt: number;
  readonly length: number;
  /** Where the tag ends and the next piece, or the footer, begins. */
  readonly end: number;
}

/** What a frame's tag authenticates beside its content. */
export function frameAad(messageId: Buffer, frame: Pick<FramePlace, 'kind' | 'sequence' | 'length'>): Buffer {
  const label = labels[frame.kind];
  const aad = Buffer.allocUnsafe(messageId.length + label.length + 12);
  aad.set(messageId, 0);
  aad.set(label, messageId.length);
  let offset = messageId.length + label.length;
  offset = aad.writeUInt32BE(frame.sequence, offset);
  offset = aad.writeUInt32BE(Math.floor(frame.length / 2 ** 32), offset);
  aad.writeUInt32BE(frame.length % 2 ** 32, offset);
  return aad;
}

/**
 * Finds the pieces of a body in their order, the last one included. Throws `DECRYPT_FAILED` where the bytes end too
 * soon or a number is not the one that is due. What follows the last piece is the caller's to check.
 */
export function* framePlaces(message: Buffer, header: MessageHeader): Generator<FramePlace, void, undefined> {
  if (header.contentType === 'non-framed') {
    yield singleBlockAt(message, header.bodyOffset);
    return;
  }
  let at = header.bodyOffset;
  for (let sequence = 1; ; sequence++) {
    const place = frameAt(message, at, sequence, header.frameLength);
    yield place;
    if (place.kind === 'final') return;
    at = place.end;
  }
}

function frameAt(message: Buffer, at: number, sequence: number, frameLength: number): FramePlace {
  const reader = new ByteReader(message, at);
  const first = reader.u32();
  const kind = first === finalFrameMark ? 'final' : 'regular';
  if ((kind === 'final' ? reader.u32() : first) !== sequence) failDecryption('a frame is out of sequence');
  const ivAt = reader.offset;
  reader.skip(ivLength);
  const length = kind === 'final' ? reader.u32() : frameLength;
  if (length > frameLength) failDecryption('the final frame is longer than the frame length');
  const contentAt = reader.offset;
  reader.skip(length + gcmTagLength);
  return { kind, sequence, ivAt, contentAt, length, end: reader.offset };
}

function singleBlockAt(message: Buffer, at: number): FramePlace {
  const reader = new ByteReader(message, at);
  const ivAt = reader.offset;
  reader.skip(ivLength);
  const declared = reader.u64();
  if (declared > maxSingleBlock) failDecryption('the content is longer than the format allows');
  const length = Number(declared);
  const contentAt = reader.offset;
  reader.skip(length + gcmTagLength);
  return { kind: 'single', sequence: 1, ivAt, contentAt, length, end: reader.offset };
}
