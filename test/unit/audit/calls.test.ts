/** Begin and end of a call are one row. */
import { expect, it } from 'vitest';
import { CallPairs } from '../../../src/audit/calls.ts';

const call = { caller: 'c', tenant: 't', operation: 'Encrypt' };

function entry(seq: number, id: string, rest: object): string {
  return JSON.stringify({ audit: 1, seq, time: `2026-01-01T00:00:00.00${seq}Z`, id, ...call, ...rest });
}

const begin = (seq: number, id: string) => entry(seq, id, { phase: 'begin' });
const end = (seq: number, id: string, rest: object = { outcome: 'ok' }) => entry(seq, id, { phase: 'end', ...rest });

function rowsOf(lines: readonly string[]) {
  const pairs = new CallPairs();
  const rows = lines.map((line) => pairs.line(line)).filter((row) => row !== undefined);
  return { rows, rest: [...pairs.rest()], odd: pairs.odd };
}

it('calls come in the order in which they ended, with all that is known of them', () => {
  const used = { provider: 'aws_kms', key: 'k', key_version: 'v', provider_request_id: 'r' };
  const { rows, rest } = rowsOf([
    begin(1, 'a'),
    begin(2, 'b'),
    end(3, 'b'),
    end(4, 'a', { outcome: 'failed', reason: 'R', ...used }),
  ]);
  expect(rows).toEqual([
    { id: 'b', time: '2026-01-01T00:00:00.002Z', ended: '2026-01-01T00:00:00.003Z', ...call, outcome: 'ok' },
    {
      ...{ id: 'a', time: '2026-01-01T00:00:00.001Z', ended: '2026-01-01T00:00:00.004Z', ...call, outcome: 'failed' },
      ...{ reason: 'R', provider: 'aws_kms', key: 'k', keyVersion: 'v', providerRequestId: 'r' },
    },
  ]);
  expect(rest).toEqual([]);
});

it('a line that tells of a whole call is its row', () => {
  const { rows, rest } = rowsOf([
    entry(1, 'a', { phase: 'call', outcome: 'ok' }),
    entry(2, 'b', { phase: 'call', outcome: 'ok', ended: '2026-01-01T00:00:00.009Z' }),
  ]);
  expect(rows).toMatchObject([
    { id: 'a', time: '2026-01-01T00:00:00.001Z', ended: '2026-01-01T00:00:00.001Z', outcome: 'ok' },
    { id: 'b', time: '2026-01-01T00:00:00.002Z', ended: '2026-01-01T00:00:00.009Z', outcome: 'ok' },
  ]);
  expect(rest).toEqual([]);
});

it('a call with no end is unfinished, and one with no begin began as it ended', () => {
  const { rows, rest } = rowsOf([begin(1, 'a'), end(2, 'b', { outcome: 'denied' })]);
  expect(rows).toMatchObject([{ id: 'b', time: '2026-01-01T00:00:00.002Z', outcome: 'denied' }]);
  expect(rest).toEqual([{ id: 'a', time: '2026-01-01T00:00:00.001Z', ...call, outcome: 'unfinished' }]);
});

it('seals, gaps and lines of others are no calls, and what only looks like one is counted', () => {
  const others = ['{"audit":1,"seal":{}}', '{"level":30}', '', '{"audit":1,"lost":3,"time":"x"}'];
  const broken = ['{"audit":1,"seq":1,"ti', '{"audit":1,"seq":1}', entry(1, 'a', { phase: 'end', outcome: 'great' })];
  expect(rowsOf([...others, ...broken])).toEqual({ rows: [], rest: [], odd: 3 });
});

it('memory is bounded: of too many calls under way the oldest count as unfinished', () => {
  const pairs = new CallPairs();
  let first: unknown;
  let lines = 0;
  for (; first === undefined; lines += 1) first = pairs.line(begin(1, `id-${lines}`));
  expect(first).toMatchObject({ id: 'id-0', outcome: 'unfinished' });
  expect(lines).toBe(100_001);
});
