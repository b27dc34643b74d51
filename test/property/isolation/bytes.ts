/** What an attacker who has seen everything that was made can put together from it. */
import { serializeEntries } from '../../../src/base/encrypted-data-key.ts';
import { messageLimits } from '../../../src/envelope/limits.ts';
import { parseWrappedDek } from '../../../src/envelope/wrapped-dek.ts';
import type { Dice } from '../../fuzz/engine/dice.ts';
import type { Made } from './model.ts';

const tagBytes = 16;
const saltAt = 3;
const saltBytes = 32;

/** The bytes of `one`, changed or crossed with those of `other`; now and then they come out unchanged. */
export function tampered(one: Made, other: Made, dice: Dice): Buffer {
  const bytes = Buffer.from(one.bytes);
  const at = dice.below(Math.max(bytes.length, 1));
  switch (dice.below(7)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << dice.below(8));
      return bytes;
    case 1:
      return bytes.subarray(0, at);
    case 2:
      return Buffer.concat([bytes, Buffer.alloc(1 + dice.below(20), dice.below(256))]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), other.bytes.subarray(at)]);
    case 4:
      return Buffer.concat([bytes.subarray(0, -tagBytes), other.bytes.subarray(-tagBytes)]);
    default:
      return one.kind === 'wrapped DEK' && other.kind === 'wrapped DEK' ? crossed(one, other, dice) : other.bytes;
  }
}

/** One wrapped DEK with a part of another: its entries, its salt, its kind or its length. */
function crossed(one: Made, other: Made, dice: Dice): Buffer {
  const bytes = Buffer.from(one.bytes);
  const [mine, theirs] = [one, other].map((made) => parseWrappedDek(made.bytes, messageLimits));
  if (mine === undefined || theirs === undefined) return bytes;
  switch (dice.below(4)) {
    case 0: {
      const size = serializeEntries(mine.entries).length;
      const head = bytes.subarray(0, -tagBytes - size);
      return Buffer.concat([head, serializeEntries(theirs.entries), bytes.subarray(-tagBytes)]);
    }
    case 1:
      if (mine.salt !== undefined && theirs.salt !== undefined) theirs.salt.copy(bytes, saltAt);
      return bytes;
    case 2:
      bytes[1] = dice.below(4);
      return mine.salt !== undefined && dice.once(2)
        ? Buffer.concat([bytes.subarray(0, saltAt), bytes.subarray(saltAt + saltBytes)])
        : bytes;
    default:
      bytes[2] = dice.pick([16, 24, 32, 64]);
      return bytes;
  }
}
