/** What a verification says of a chain that is not as it was written. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { linesOf } from '../../../src/audit/lines.ts';
import { linesIn, openLog, subject, verified } from '../../support/audit-log.ts';
import { temporaryFolder } from '../../support/daemon.ts';

/** Three blocks: two entries and a seal in each, so that lines 3, 6 and 9 are seals. */
let lines: readonly string[] = [];

beforeAll(async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.jsonl');
  {
    await using log = (await openLog({ path })).log;
    for (let block = 0; block < 3; block += 1) {
      await Promise.all([log.note(subject, { outcome: 'ok' }), log.note(subject, { outcome: 'ok' })]);
    }
  }
  lines = linesIn(path);
});

function at(line: number): string {
  return lines[line - 1] ?? '';
}

describe('a verification', () => {
  it.each([
    [
      'a changed entry',
      () => lines.with(3, at(4).replace('t1', 't2')),
      6,
      'block 2 (from line 4 on): its lines are not those that were sealed; one was changed, added or removed',
    ],
    [
      'an entry that is gone',
      () => lines.toSpliced(3, 1),
      5,
      'block 2 (from line 4 on): it has 1 entries and was sealed with 2',
    ],
    [
      'entries that changed places',
      () => lines.toSpliced(3, 2, at(5), at(4)),
      6,
      'block 2 (from line 4 on): entry 3 follows entry 4',
    ],
    [
      'a block that is gone',
      () => lines.toSpliced(3, 3),
      6,
      'block 3 (from line 4 on): it follows block 1; what was between them is gone',
    ],
    [
      'a block that is there twice',
      () => [...lines.slice(0, 6), ...lines.slice(3)],
      9,
      'block 2 (from line 7 on): it follows block 2; it was moved or repeated',
    ],
    [
      'a seal that is gone',
      () => lines.toSpliced(5, 1),
      8,
      'block 3 (from line 4 on): it follows block 1; what was between them is gone',
    ],
    [
      'a seal that was changed',
      () => lines.with(5, at(6).replace('"entries":2', '"entries":3')),
      6,
      'block 2 (from line 4 on): it has 2 entries and was sealed with 3',
    ],
    [
      'a line that is no entry',
      () => lines.toSpliced(3, 0, '{"audit":1,"x":1}'),
      7,
      'block 2 (from line 4 on): its lines are not those that were sealed; one was changed, added or removed',
    ],
    [
      'an end that was cut off inside a block',
      () => lines.slice(0, 8),
      7,
      '2 lines from here on are not sealed: their seal was cut off, or the process was killed as it wrote and seals them when it is started again',
    ],
    [
      'a beginning that is gone',
      () => lines.slice(3),
      3,
      'block 2 (from line 1 on): the chain begins with it, the blocks before are gone; --from 2 where they were deleted as they should',
    ],
    ['nothing at all', () => [], 1, 'there is no block of an audit log in it'],
    ['another log', () => ['{"level":30}'], 1, 'there is no block of an audit log in it'],
  ])('finds %s, and says where', (_name, changed, line, what) => {
    expect(verified(changed()).faults[0]).toEqual({ file: 'f', line, what });
  });

  it('goes on behind a fault, and finds no more than there are', () => {
    const changed = lines.with(0, at(1).replace('t1', 't2')).with(6, at(7).replace('t1', 't2'));
    expect(verified(changed).faults.map(({ line }) => line)).toEqual([3, 9]);
  });

  it('begins where it is told, and nowhere else', () => {
    expect(verified(lines.slice(3), { from: 2 })).toMatchObject({ faults: [], firstBlock: 2, entries: 4 });
    expect(verified(lines, { from: 2 }).faults).toMatchObject([
      { what: expect.stringContaining('and not with block 2') },
    ]);
  });

  it('finds an end that was cut off by a hash that was kept', () => {
    const { last } = verified(lines);
    const holds = last?.hash ?? '';
    expect(verified(lines, { holds }).faults).toEqual([]);
    expect(verified(lines.slice(0, 6)).faults).toEqual([]);
    expect(verified(lines.slice(0, 6), { holds }).faults).toEqual([
      { file: 'f', line: 6, what: 'no block has the hash that was asked for: blocks at the end are gone' },
    ]);
  });

  it('lets a chain follow another only where processes share an output', () => {
    expect(verified([...lines, ...lines], { restarts: true })).toMatchObject({ faults: [], chains: 2, entries: 12 });
    expect(verified([...lines, ...lines]).faultCount).toBeGreaterThan(0);
  });

  it('names a hundred faults and counts all', () => {
    const repeated = Array.from({ length: 150 }, () => lines.slice(0, 3)).flat();
    expect(verified(repeated)).toMatchObject({ faultCount: 149, faults: { length: 100 } });
  });
});

async function* piecesOf(text: string, size: number): AsyncGenerator<Buffer> {
  for (let from = 0; from < text.length; from += size) yield Buffer.from(text.slice(from, from + size), 'latin1');
}

it.each([1, 2, 7, 1000])('lines are the same in pieces of %i bytes', async (size) => {
  const found: string[] = [];
  for await (const some of linesOf(piecesOf('a\n\nb\xff\nlast', size))) found.push(...some);
  expect(found).toEqual(['a', '', 'b\xff', 'last']);
});

it('a line without an end does not fill the memory', async () => {
  const found: string[] = [];
  const pieces = async function* () {
    for (let piece = 0; piece < 64; piece += 1) yield Buffer.alloc(100_000, 'x');
    yield Buffer.from('\nnext\n');
  };
  for await (const some of linesOf(pieces())) found.push(...some);
  expect(found.map(({ length }) => length)).toEqual([2 ** 20, 4]);
});
