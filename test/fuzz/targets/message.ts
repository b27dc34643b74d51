/**
 * Whole messages: what opens is what a plain reader opens, to the same bytes; everything else ends with the one failure
 * that tells nothing; what opened opens no more with one bit changed; and a header encodes back to what it was read from.
 *
 *     how (1) | the bit that is changed (2) | message
 *     how  1: its tags are made true; 2 and 4: which associated data is given; 8: it commits to another key;
 *          16: its signature is left as it stands
 */
import { serializeEntries } from '../../../src/base/encrypted-data-key.ts';
import { errorTable, KeyproxyError } from '../../../src/base/errors.ts';
import { SecretBytes } from '../../../src/base/secret.ts';
import { DataKey } from '../../../src/envelope/data-key.ts';
import { openMessage } from '../../../src/envelope/decrypt.ts';
import { type MessageHeader, parseHeader } from '../../../src/envelope/header.ts';
import { mutateBytes } from '../engine/bytes.ts';
import { feature } from '../engine/map.ts';
import { Fault, type Target } from '../engine/target.ts';
import { layoutOf, plainSuites } from '../envelope/layout.ts';
import { keyBytes, opened, pointOf, sealed } from '../envelope/seal.ts';
import { contextOf, entryOf, partsOf, type Structure, withOtherPart, write } from '../envelope/structure.ts';

const optionsLength = 3;
const limits = { maxEncryptedDataKeys: 16, maxContextBytes: 65_535 };
/** The associated data that is given, by two bits of the options; sealing takes the first of them that is any. */
const data = [Buffer.alloc(0), Buffer.from('row-17'), Buffer.from('row-18'), Buffer.alloc(0)] as const;

const entries = entryOf('aws-kms', 'arn:aws:kms:us-east-1:123456789012:key/abc', 'ciphertext');
const frame = { iv: Buffer.alloc(12, 1), content: Buffer.from('eight by') };

function sample(suiteId: number, more: Partial<Structure> = {}): Structure {
  const curve = plainSuites.get(suiteId)?.curve;
  const signed: [string, string][] = curve === undefined ? [] : [['aws-crypto-public-key', pointOf(curve)]];
  const frames = [
    { ...frame, isFinal: false, sequence: 1 },
    { ...frame, isFinal: true, sequence: 2 },
  ];
  const context = contextOf([...signed, ['tenant_id', 'a']]);
  const parts = { suiteId, id: Buffer.alloc(32, 7), context, entryCount: 1, entries, isFramed: true };
  return { ...parts, frameLength: 8, frames, rest: Buffer.alloc(0), ...more };
}

const whole = { isFramed: false, frameLength: 0, frames: [{ ...frame, isFinal: false, sequence: 1 }] };
const flagged = contextOf([
  ['keyproxy-ad', '1'],
  ['tenant_id', 'a'],
]);

export const messageTarget: Target = {
  name: 'message',
  maxSize: 4096,
  seeds: [
    ...[...plainSuites.keys()].flatMap((id) => [inputOf(1, sample(id)), inputOf(1, sample(id, whole))]),
    inputOf(0, sample(0x0478)),
    ...[9, 17].flatMap((how) => [0x0478, 0x0578].map((id) => inputOf(how, sample(id)))),
    ...[1, 3, 5].map((how) => inputOf(how, sample(0x0478, { context: flagged }))),
    inputOf(3, sample(0x0178, { context: flagged })),
    inputOf(1, sample(0x0478, { context: Buffer.alloc(0), frames: [{ ...frame, isFinal: true, sequence: 1 }] })),
  ],
  run(input) {
    const how = input[0] ?? 0;
    const ad = data[(how >> 1) & 3] ?? data[0];
    const message = messageOf(input);
    const layout = layoutOf(message);
    const want = layout && opened(message, layout, ad);
    const got = opening(message, ad);
    if ((got.header === undefined) !== (layout === undefined))
      throw new Fault('a header is one, or is none, and is read otherwise');
    if (got.header !== undefined && layout !== undefined) {
      const again = bytesOf(got.header, layout.context);
      if (!again.equals(message.subarray(0, layout.bodyAt))) throw new Fault('a header encodes back to other bytes');
    }
    if ((got.plaintext === undefined) !== (want === undefined))
      throw new Fault('a message opens, or does not, and should otherwise');
    feature(20, layout === undefined ? 0 : 1 + Math.min(layout.pieces.length, 20), want === undefined ? 0 : 1);
    if (got.plaintext === undefined || want === undefined) return;
    if (!got.plaintext.equals(want)) throw new Fault('another plaintext comes out');
    feature(21, layout?.suiteId ?? 0, Math.min(layout?.entryCount ?? 0, 20));
    const bit = input.readUInt16BE(1) % (message.length * 8);
    message[bit >> 3] = (message[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    if (opening(message, ad).plaintext !== undefined) throw new Fault('a message opens that has one bit changed');
  },
  mutate(input, dice, other) {
    const options = Buffer.from(input.subarray(0, optionsLength));
    if (dice.once(3)) options[0] = dice.pick([1, 1, 1, 3, 3, 5, 0, 9, 17]);
    options.writeUInt16BE(dice.below(65_536), 1);
    const rest = input.subarray(optionsLength);
    let parts = partsOf(rest);
    if (parts === undefined || dice.once(4))
      return Buffer.concat([options, mutateBytes(rest, dice, other.subarray(optionsLength))]);
    const others = partsOf(other.subarray(optionsLength)) ?? parts;
    for (let left = 1 + dice.small(3); left > 0; left--) parts = withOtherPart(parts, dice, others);
    return Buffer.concat([options, write(parts)]);
  },
};

function inputOf(how: number, parts: Structure): Buffer {
  return Buffer.concat([Buffer.of(how, 0, 9), write(parts)]);
}

function messageOf(input: Buffer): Buffer {
  const message = Buffer.from(input.subarray(optionsLength));
  const how = input[0] ?? 0;
  const layout = (how & 1) === 0 ? undefined : layoutOf(message);
  const flaws = { commitment: (how & 8) !== 0, signature: (how & 16) !== 0 };
  return layout === undefined ? message : sealed(message, layout, { ad: data[1], flaws });
}

interface Opening {
  readonly header?: MessageHeader;
  readonly plaintext?: Buffer;
}

/** What the reader makes of a message; throws where it fails in any way but the one. */
function opening(message: Buffer, associatedData: Buffer): Opening {
  let header: MessageHeader | undefined;
  try {
    header = parseHeader(message, limits);
    using dataKey = DataKey.adopt(SecretBytes.copyOf(keyBytes(header.suite.keyLength)));
    return { header, plaintext: openMessage({ message, header, dataKey, associatedData }) };
  } catch (error) {
    expectPlain(error);
    return header === undefined ? {} : { header };
  }
}

/** Insists that a failure is the one of all that does not open: one text, and nothing beside it. */
export function expectPlain(error: unknown): void {
  if (!(error instanceof KeyproxyError) || error.reason !== 'DECRYPT_FAILED') throw error;
  const isPlain = error.message === errorTable.DECRYPT_FAILED.message && Object.keys(error.metadata).length === 0;
  if (!isPlain) throw new Fault('a failure tells more than that it is one');
}

/** The bytes of a header, with its context as it was stored. */
function bytesOf(header: MessageHeader, context: Buffer): Buffer {
  const { version, suite, messageId, contentType, frameLength, commitment, iv, tag } = header;
  const numbers = Buffer.alloc(10);
  numbers.writeUInt16BE(suite.id, 0);
  numbers.writeUInt16BE(context.length, 2);
  numbers.writeUInt16BE(header.entries.length, 4);
  numbers.writeUInt32BE(frameLength, 6);
  return Buffer.concat([
    Buffer.from(version === 1 ? [1, 0x80] : [2]),
    numbers.subarray(0, 2),
    messageId,
    numbers.subarray(2, 4),
    context,
    numbers.subarray(4, 6),
    serializeEntries(header.entries),
    Buffer.of(contentType === 'framed' ? 2 : 1),
    ...(version === 1 ? [Buffer.of(0, 0, 0, 0, 12)] : []),
    numbers.subarray(6),
    commitment ?? iv,
    tag,
  ]);
}
