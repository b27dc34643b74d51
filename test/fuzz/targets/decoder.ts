/**
 * The header decoder: blocks of one connection, one after the other. It throws nothing but a CompressionError, gives no
 * more fields than it was told to keep, gives the same whether or not it remembers a block, and what it gave comes out
 * again after it was encoded.
 *
 *     limits (1) | [ length of a block (2) | the block ] ...
 */
import { CompressionError, type DecodedBlock, HeaderDecoder } from '../../../src/h2/hpack/decoder.ts';
import { HeaderEncoder } from '../../../src/h2/hpack/encoder.ts';
import { fieldSize, type HeaderList } from '../../../src/h2/hpack/field.ts';
import { mutateBytes } from '../engine/bytes.ts';
import type { Dice } from '../engine/dice.ts';
import { feature } from '../engine/map.ts';
import { Fault, type Target } from '../engine/target.ts';
import { blockPieces, longBlock, requestBlock } from './blocks.ts';

const lengthSize = 2;
const tableSizes = [4096, 0, 64, 65_536] as const;
const listSizes = [16_384, 100, 0, 1000] as const;

export const decoderTarget: Target = {
  name: 'decoder',
  maxSize: 8192,
  seeds: [
    inputOf(0, [requestBlock, requestBlock, requestBlock]),
    inputOf(0, [longBlock, Buffer.concat([longBlock, longBlock.subarray(0, -1)])]),
    inputOf(8, [longBlock]),
    ...blockPieces.map((piece, at) => inputOf(at & 15, [piece, requestBlock, piece])),
  ],
  run(input) {
    const limits = input[0] ?? 0;
    const maxTableSize = tableSizes[limits & 3] ?? 0;
    const maxListSize = listSizes[(limits >> 2) & 3] ?? 0;
    const decoder = new HeaderDecoder({ maxTableSize, maxListSize });
    const forgetful = new HeaderDecoder({ maxTableSize, maxListSize });
    const encoder = new HeaderEncoder({ maxTableSize: 4096 });
    const mirror = new HeaderDecoder({ maxTableSize: 4096, maxListSize: 2 ** 30 });
    const known = new Set<DecodedBlock | undefined>();
    for (const block of blocksOf(input)) {
      const decoded = decode(decoder, block);
      if (known.has(decoded)) for (const other of forgotten) forgetful.decode(other);
      known.add(decoded);
      const again = decode(forgetful, block);
      feature(2, decoded === undefined ? 0 : Math.min(decoded.fields.length, 20), decoded?.isTooLarge ? 1 : 0);
      if (!isSame(decoded, again)) throw new Fault('a block that is remembered comes to something else');
      if (decoded === undefined) return;
      checkSize(decoded, maxListSize);
      if (!isSameList(mirror.decode(encoder.encode(decoded.fields)).fields, decoded.fields)) {
        throw new Fault('what was decoded comes out otherwise after it was encoded');
      }
    }
  },
  mutate(input, dice, other) {
    const blocks = blocksOf(input);
    for (let left = 1 + dice.small(4); left > 0; left--) changeOnce(blocks, dice, blocksOf(other));
    return inputOf(dice.once(6) ? dice.below(16) : (input[0] ?? 0), blocks);
  },
};

/** Blocks that say nothing and push out of a decoder's memory all others that it holds. */
const forgotten = [0x82, 0x83, 0x84, 0x86].map((index) => Buffer.of(index));

function decode(decoder: HeaderDecoder, block: Buffer): DecodedBlock | undefined {
  const copy = Buffer.from(block);
  try {
    return decoder.decode(copy);
  } catch (error) {
    if (error instanceof CompressionError) return undefined;
    throw error;
  } finally {
    copy.fill(0xa5);
  }
}

function checkSize({ fields, size, isTooLarge }: DecodedBlock, maxListSize: number): void {
  const kept = fields.reduce((sum, field) => sum + fieldSize(field), 0);
  if (kept > maxListSize) throw new Fault('more fields are kept than the limit allows');
  if (isTooLarge !== size > maxListSize) throw new Fault('a block is too large or is not, and says otherwise');
  if (isTooLarge ? kept >= size : kept !== size) throw new Fault('a block counts something other than its fields');
}

function isSame(one: DecodedBlock | undefined, other: DecodedBlock | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.size === other.size && one.isTooLarge === other.isTooLarge && isSameList(one.fields, other.fields);
}

function isSameList(one: HeaderList, other: HeaderList): boolean {
  return (
    one.length === other.length &&
    one.every(({ name, value }, at) => name === other[at]?.name && value === other[at]?.value)
  );
}

function blocksOf(input: Buffer): Buffer[] {
  const blocks: Buffer[] = [];
  for (let at = 1; at + lengthSize <= input.length; ) {
    const end = at + lengthSize + input.readUInt16BE(at);
    blocks.push(input.subarray(at + lengthSize, end));
    at = end;
  }
  return blocks;
}

function inputOf(limits: number, blocks: readonly Buffer[]): Buffer {
  const parts = blocks.flatMap((block) => [Buffer.of(block.length >> 8, block.length & 0xff), block]);
  return Buffer.concat([Buffer.of(limits), ...parts]);
}

function changeOnce(blocks: Buffer[], dice: Dice, others: readonly Buffer[]): void {
  const at = dice.below(blocks.length + 1);
  const block = blocks[at];
  const other = others[dice.below(others.length + 1)] ?? Buffer.alloc(0);
  if (block === undefined || dice.once(6)) {
    blocks.splice(at, 0, dice.once(2) ? other : (blocks[dice.below(blocks.length + 1)] ?? dice.pick(blockPieces)));
    return;
  }
  if (dice.once(8)) {
    blocks.splice(at, 1);
    return;
  }
  if (dice.once(2)) {
    const place = dice.below(block.length + 1);
    const count = dice.once(40) ? dice.below(200) : 1;
    const piece = Buffer.concat(new Array<Buffer>(count).fill(dice.pick(blockPieces)));
    blocks[at] = Buffer.concat([block.subarray(0, place), piece, block.subarray(place)]);
  } else blocks[at] = mutateBytes(block, dice, other);
}
