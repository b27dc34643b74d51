/**
 * Wrapped DEKs: what parses encodes back to the same bytes, what does not ends with the one failure; a tag matches where
 * it is that of the bytes, and neither for another tenant nor under another context nor with one bit changed.
 *
 *     whether it is sealed (1) | the bit that is changed (2) | wrapped DEK
 */
import { createHmac, hkdfSync } from 'node:crypto';
import { EncryptionContext } from '../../../src/base/encryption-context.ts';
import { SecretBytes } from '../../../src/base/secret.ts';
import { DataKey } from '../../../src/envelope/data-key.ts';
import {
  parseWrappedDek,
  serializeWrappedDek,
  type WrappedDek,
  wrapTagMatches,
} from '../../../src/envelope/wrapped-dek.ts';
import { mutateBytes } from '../engine/bytes.ts';
import { feature } from '../engine/map.ts';
import { Fault, type Target } from '../engine/target.ts';
import { keyBytes } from '../envelope/seal.ts';
import { entryOf } from '../envelope/structure.ts';
import { expectPlain } from './message.ts';

const optionsLength = 3;
const tagLength = 16;
const tenantId = 'tenant_12345';
const context = EncryptionContext.of([['tenant_id', tenantId]]);
const otherContext = EncryptionContext.of([['tenant_id', 'tenant_1234']]);
const limits = { maxEncryptedDataKeys: 16 };

const entry = entryOf('aws-kms', 'arn', 'wrapped');

export const wrappedDekTarget: Target = {
  name: 'wrapped-dek',
  maxSize: 2048,
  seeds: [0, 1].flatMap((how) => [
    ...[16, 24, 32, 64].map((length) => inputOf(how, [1, 1, length], entry)),
    ...[16, 24, 32, 64].map((length) => inputOf(how, [1, 2, length, ...Buffer.alloc(32, 4)], entry)),
    inputOf(how, [1, 3, 32], entry),
  ]),
  run(input) {
    const isSealed = ((input[0] ?? 0) & 1) === 1;
    const bytes = Buffer.from(input.subarray(optionsLength));
    if (isSealed) seal(bytes);
    const wrapped = parsed(bytes);
    feature(22, wrapped?.kind ?? 0, wrapped?.entries.length ?? 0);
    if (wrapped === undefined) return;
    using dataKey = DataKey.adopt(SecretBytes.copyOf(keyOf(bytes)));
    const matches = wrapTagMatches(wrapped, dataKey, tenantId, context);
    if (isSealed !== matches) throw new Fault('a tag matches, or does not, and should otherwise');
    if (!matches) return;
    const { kind, length, salt, entries } = wrapped;
    const parts = { kind, length, ...(salt && { salt }), entries, dataKey, tenantId, context };
    const again = serializeWrappedDek(parts);
    if (!again.equals(bytes)) throw new Fault('a wrapped DEK encodes back to other bytes');
    if (wrapTagMatches(wrapped, dataKey, 'tenant_1234', context))
      throw new Fault('it is the DEK of another tenant too');
    if (wrapTagMatches(wrapped, dataKey, tenantId, otherContext)) throw new Fault('it opens under another context');
    const bit = input.readUInt16BE(1) % (bytes.length * 8);
    const damaged = Buffer.from(bytes);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const other = parsed(damaged);
    if (other !== undefined && wrapTagMatches(other, dataKey, tenantId, context))
      throw new Fault('a changed bit goes unnoticed');
  },
  mutate(input, dice, other) {
    const options = Buffer.from(input.subarray(0, optionsLength));
    if (dice.once(4)) options[0] = dice.below(2);
    options.writeUInt16BE(dice.below(65_536), 1);
    const rest = input.subarray(optionsLength);
    // One more entry at the end, and one more in the count: chance alone seldom does both.
    if (dice.once(4)) {
      const at = rest[1] === 2 ? 35 : 3;
      const more = Buffer.concat([rest.subarray(0, -tagLength), entry, rest.subarray(-tagLength)]);
      more[at] = (more[at] ?? 0) + 1;
      return Buffer.concat([options, more]);
    }
    return Buffer.concat([options, mutateBytes(rest, dice, other.subarray(optionsLength))]);
  },
};

function inputOf(how: number, head: readonly number[], entries: Buffer): Buffer {
  return Buffer.concat([Buffer.of(how, 0, 9), Buffer.from(head), Buffer.of(1), entries, Buffer.alloc(tagLength)]);
}

/** The bytes that a key service would have unwrapped. */
function keyOf(bytes: Buffer): Buffer {
  return keyBytes(bytes[1] === 1 ? (bytes[2] ?? 0) : 32);
}

/** Sets the tag, computed in the plainest way (RFC 5869, RFC 2104). */
function seal(bytes: Buffer): void {
  if (bytes.length < tagLength) return;
  const body = bytes.subarray(0, -tagLength);
  const key = Buffer.from(hkdfSync('sha512', keyOf(bytes), '', 'keyproxy/v1/wrap-tag', 32));
  const name = Buffer.concat([Buffer.of(0, tenantId.length), Buffer.from(tenantId)]);
  const tag = createHmac('sha256', key).update(body).update(name).update(context.serialized).digest();
  tag.copy(bytes, body.length, 0, tagLength);
}

function parsed(bytes: Buffer): WrappedDek | undefined {
  let wrapped: WrappedDek;
  try {
    wrapped = parseWrappedDek(bytes, limits);
  } catch (error) {
    expectPlain(error);
    return undefined;
  }
  const { body, tag } = wrapped;
  if (!Buffer.concat([body, tag]).equals(bytes)) throw new Fault('bytes of a wrapped DEK belong to nothing');
  return wrapped;
}
