/** Whatever is done to the lines of a chain is found, wherever it is done. */
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { blockHash, noHash, parseSeal, sealHead } from '../../../src/audit/seal.ts';
import { key, linesIn, openLog, subject, verified } from '../../support/audit-log.ts';
import { temporaryFolder } from '../../support/daemon.ts';

let lines: readonly string[] = [];
let hash = '';

beforeAll(async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.jsonl');
  {
    await using log = (await openLog({ path })).log;
    for (const size of [1, 3, 2, 5, 1, 4]) {
      await Promise.all(Array.from({ length: size }, () => log.begin(subject).end({ outcome: 'ok', key })));
      await log.note({ ...subject, tenant: 't2' }, { outcome: 'denied', reason: 'ACCESS_DENIED' });
    }
  }
  lines = linesIn(path);
  hash = verified(lines).last?.hash ?? '';
});

/** A place in the chain, as a share of its length. */
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

function indexOf(share: number): number {
  return Math.floor(share * lines.length);
}

function isBroken(changed: readonly string[], holds?: string): boolean {
  return verified(changed, holds === undefined ? {} : { holds }).faultCount > 0;
}

it('a chain as it was written is whole', () => {
  expect(verified(lines)).toMatchObject({ faults: [], blocks: 12 });
  expect(isBroken(lines, hash)).toBe(false);
});

it('every byte of every line counts', () => {
  let changes = 0;
  for (const [index, line] of lines.entries()) {
    for (let at = 0; at < line.length; at += 1) {
      const other = line[at] === '7' ? '8' : '7';
      const changed = [...lines];
      changed[index] = line.slice(0, at) + other + line.slice(at + 1);
      if (!isBroken(changed)) expect.unreachable(`byte ${at} of line ${index + 1}`);
      changes += 1;
    }
  }
  expect(changes).toBeGreaterThan(5_000);
});

describe('what is done to lines', () => {
  it('is found where bytes are replaced by others', () => {
    fc.assert(
      fc.property(place, place, fc.string({ minLength: 0, maxLength: 5 }), (where, within, text) => {
        const index = indexOf(where);
        const line = lines[index] ?? '';
        const at = Math.floor(within * line.length);
        const changed = [...lines];
        changed[index] = line.slice(0, at) + text + line.slice(at + text.length);
        fc.pre(changed[index] !== line);
        expect(isBroken(changed)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is found where lines in a row are removed, those at the end by the hash that was kept', () => {
    fc.assert(
      fc.property(place, fc.integer({ min: 1, max: 8 }), (where, count) => {
        const changed = lines.toSpliced(indexOf(where), count);
        expect(isBroken(changed, hash)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is found where lines in a row are repeated, elsewhere or at once', () => {
    fc.assert(
      fc.property(place, place, fc.integer({ min: 1, max: 8 }), (from, to, count) => {
        const copied = lines.slice(indexOf(from), indexOf(from) + count);
        expect(isBroken(lines.toSpliced(indexOf(to), 0, ...copied))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is found where lines in a row are moved', () => {
    fc.assert(
      fc.property(place, place, fc.integer({ min: 1, max: 8 }), (from, to, count) => {
        const changed = [...lines];
        const moved = changed.splice(indexOf(from), count);
        changed.splice(Math.min(indexOf(to), changed.length), 0, ...moved);
        fc.pre(changed.join() !== lines.join());
        expect(isBroken(changed)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is found by the block that follows where the changed one is sealed anew', () => {
    const [first = '', seal = ''] = lines;
    expect(parseSeal(seal)).toMatchObject({ block: 1, entries: 1 });
    const words = { block: 1, entries: 1, seq: 1, recovered: false, prev: noHash };
    const changed = first.replace('t1', 't9');
    const text = `${changed}\n${sealHead(words)}`;
    const forged = [changed, `${sealHead(words)}${blockHash(Buffer.from(text))}"}}`];
    expect(verified(forged).faults).toEqual([]);
    expect(verified([...forged, ...lines.slice(2)]).faults).toMatchObject([
      { what: expect.stringContaining('it was sealed after another block 1 than the one before it') },
    ]);
  });
});

it('lines of others change nothing', () => {
  fc.assert(
    fc.property(place, fc.string(), (where, text) => {
      const other = `{"level":30,${JSON.stringify(text)}`;
      const report = verified(lines.toSpliced(indexOf(where), 0, other));
      expect(report).toMatchObject({ faults: [], otherLines: 1 });
    }),
    { numRuns: 200 },
  );
});
