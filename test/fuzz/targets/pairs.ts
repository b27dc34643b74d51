/**
 * Encryption contexts and encrypted-data-key entries: what a plain reader takes is taken, nothing else is, and it encodes
 * back: entries to the very bytes, pairs to the same pairs in their one order.
 *
 *     whether it is a context, or how many entries are read (1) | bytes
 */
import { parseEntries, serializeEntries } from '../../../src/base/encrypted-data-key.ts';
import { EncryptionContext } from '../../../src/base/encryption-context.ts';
import { mutateBytes } from '../engine/bytes.ts';
import { feature } from '../engine/map.ts';
import { Fault, type Target } from '../engine/target.ts';
import { pairsOf } from '../envelope/layout.ts';
import { contextOf, entryOf } from '../envelope/structure.ts';

const lists: readonly (readonly [string, string])[][] = [
  [],
  [['a', 'b']],
  [
    ['b', ''],
    ['a', 'é'],
    ['', 'x'],
  ],
  [
    ['a', '1'],
    ['a', '2'],
  ],
  [
    ['\u{1f511}', '1'],
    ['\uffff', '2'],
  ],
];

export const pairsTarget: Target = {
  name: 'pairs',
  maxSize: 2048,
  seeds: [
    ...lists.map((list) => Buffer.concat([Buffer.of(0), contextOf(list)])),
    ...[1, 2, 3].map((count) =>
      Buffer.concat([Buffer.of(count), ...new Array<Buffer>(count).fill(entryOf('aws-kms', '', 'c'))]),
    ),
    Buffer.of(0, 0, 1, 0, 1, 0xff, 0, 0),
  ],
  run(input) {
    const bytes = input.subarray(1);
    const count = input[0] ?? 0;
    if (count === 0) checkContext(bytes);
    else checkEntries(bytes, count);
  },
  mutate(input, dice, other) {
    const mutant = mutateBytes(input, dice, other);
    // One more pair, counted: chance alone seldom does both.
    if (dice.once(3) && mutant[0] === 0 && mutant.length > 2) {
      mutant[2] = (mutant[2] ?? 0) + 1;
      return Buffer.concat([mutant, contextOf([[dice.pick(['a', 'b', 'c', 'é', '']), 'v']]).subarray(2)]);
    }
    return mutant;
  },
};

function checkContext(bytes: Buffer): void {
  const got = EncryptionContext.parse(bytes);
  const want = plainPairs(bytes);
  feature(23, want?.length ?? -1, 0);
  if (got === undefined || want === undefined) {
    if (got !== want) throw new Fault('a context is one, or is none, and is read otherwise');
    return;
  }
  const sorted = want.toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  if (JSON.stringify([...got.pairs]) !== JSON.stringify(sorted)) throw new Fault('other pairs come out');
  if (!got.serialized.equals(contextOf(sorted))) throw new Fault('pairs are serialised otherwise');
  const again = EncryptionContext.parse(got.serialized);
  if (again?.equals(got) !== true) throw new Fault('what was serialised is read otherwise');
  if (!EncryptionContext.of(want).equals(got)) throw new Fault('the same pairs make another context');
}

function plainPairs(bytes: Buffer): [string, string][] | undefined {
  try {
    return pairsOf(bytes);
  } catch {
    return undefined;
  }
}

function checkEntries(bytes: Buffer, count: number): void {
  const parsed = parseEntries(bytes, 0, count);
  const end = plainEnd(bytes, count);
  feature(24, parsed === undefined ? 0 : count, 0);
  if (parsed?.end !== end) throw new Fault('entries end elsewhere');
  if (parsed === undefined) return;
  if (parsed.entries.length !== count) throw new Fault('other than the wanted count of entries comes out');
  if (!serializeEntries(parsed.entries).equals(bytes.subarray(0, parsed.end)))
    throw new Fault('entries encode back otherwise');
}

function plainEnd(bytes: Buffer, count: number): number | undefined {
  let at = 0;
  for (let left = count * 3; left > 0; left--) {
    if (at + 2 > bytes.length) return undefined;
    at += 2 + bytes.readUInt16BE(at);
  }
  return at > bytes.length ? undefined : at;
}
