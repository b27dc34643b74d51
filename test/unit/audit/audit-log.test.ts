/** What callers of the log are promised, on a disk that works. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { entriesIn, key, linesIn, MoodyDisk, openLog, subject, verified } from '../../support/audit-log.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** What the id of the call with this number looks like. */
function idOf(call: number): unknown {
  return expect.stringMatching(new RegExp(`^[0-9a-f]{12}-${call.toString(16).padStart(10, '0')}$`));
}

const keyFields = { provider: 'aws_kms', key: 'arn:k', key_version: 'v1' };

it('writes a begin and an end for a call that waits in between, a lone end for a denial, and a seal after each block', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.jsonl');
  const clock = new FakeClock();
  const { log } = await openLog({ path, clock });
  const ticket = log.begin(subject);
  await ticket.begun();
  expect(entriesIn(path)).toHaveLength(1);
  clock.advance(7);
  await ticket.end({ outcome: 'ok', key, providerRequestId: 'r-1' });
  await log.note({ ...subject, tenant: 't2' }, { outcome: 'denied', reason: 'ACCESS_DENIED' });
  const [begin, end, denial] = entriesIn(path);
  expect(begin).toEqual({
    audit: 1,
    seq: 1,
    time: '2026-01-01T00:00:00.000Z',
    phase: 'begin',
    id: idOf(1),
    ...subject,
  });
  expect(end).toEqual({
    ...{ audit: 1, seq: 2, time: '2026-01-01T00:00:00.007Z', phase: 'end', id: begin?.['id'], ...subject },
    ...{ outcome: 'ok', ...keyFields, provider_request_id: 'r-1' },
  });
  expect(denial).toMatchObject({ seq: 3, phase: 'end', tenant: 't2', outcome: 'denied', reason: 'ACCESS_DENIED' });
  expect(denial?.['id']).not.toBe(begin?.['id']);
  expect(linesIn(path).map((line) => line.startsWith('{"audit":1,"seal":'))).toEqual([
    false,
    true,
    false,
    true,
    false,
    true,
  ]);
  expect(log.state).toMatchObject({ written: 3, refused: 0, lost: 0, blocks: 3, waitingBytes: 0, isFailing: false });
  expect(log.state.bytes).toBe(statSync(path).size);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await log[Symbol.asyncDispose]();
  expect(verified(linesIn(path))).toMatchObject({ faults: [], entries: 3, blocks: 3 });
});

it('writes one line for a call that ends in the block that it began in', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.jsonl');
  const clock = new FakeClock();
  const { log } = await openLog({ path, clock });
  const [slow, quick, later] = [log.begin(subject), log.begin(subject), log.begin(subject)];
  const ends = [quick.end({ outcome: 'ok', key })];
  clock.advance(3);
  ends.push(later.end({ outcome: 'failed', reason: 'DECRYPT_FAILED' }));
  await Promise.all([slow.begun(), ...ends]);
  const time = '2026-01-01T00:00:00.000Z';
  const begins = entriesIn(path);
  expect(begins).toEqual([
    { audit: 1, seq: 1, time, phase: 'call', id: idOf(2), ...subject, outcome: 'ok', ...keyFields },
    {
      ...{
        audit: 1,
        seq: 2,
        time,
        phase: 'call',
        id: idOf(3),
        ...subject,
        outcome: 'failed',
        reason: 'DECRYPT_FAILED',
      },
      ended: '2026-01-01T00:00:00.003Z',
    },
    { audit: 1, seq: 3, time, phase: 'begin', id: idOf(1), ...subject },
  ]);
  await slow.end({ outcome: 'ok', key });
  expect(entriesIn(path)[3]).toMatchObject({ seq: 4, phase: 'end', id: begins[2]?.['id'] });
  expect(log.state).toMatchObject({ written: 4, waitingBytes: 0 });
  await log[Symbol.asyncDispose]();
  expect(verified(linesIn(path))).toMatchObject({ faults: [], entries: 4, blocks: 2 });
});

it('keeps room for the begin of every call that is under way, however long its names', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.jsonl');
  const { log } = await openLog({ path });
  const wide = { ...subject, tenant: '\u{1f600}'.repeat(1000) };
  const tickets = Array.from({ length: 300 }, () => log.begin(wide)).toReversed();
  await Promise.all(tickets.map((ticket, index) => (index % 2 === 0 ? ticket.begun() : ticket.end({ outcome: 'ok' }))));
  await Promise.all(tickets.map((ticket, index) => (index % 2 === 0 ? ticket.end({ outcome: 'ok' }) : undefined)));
  await log[Symbol.asyncDispose]();
  const phases = entriesIn(path).map(({ phase }) => phase);
  expect(phases.filter((phase) => phase === 'end').length).toBeGreaterThanOrEqual(150);
  expect(phases.filter((phase) => phase === 'begin').length).toBe(phases.filter((phase) => phase === 'end').length);
  expect(phases).toContain('call');
  expect(new Set(entriesIn(path).map(({ id }) => id)).size).toBe(300);
  expect(verified(linesIn(path)).faults).toEqual([]);
});

it.each([
  ['quotes and backslashes', 'a"b\\c'],
  ['characters that end a line', 'a\nb\r\u2028\u2029'],
  ['control characters', '\u0000\u001b[31m\u007f'],
  ['other scripts', 'Zürich 東京 😀'],
  ['half a character', '\ud83d'],
])('keeps strings with %s, one line an entry, in ASCII', async (_name, odd) => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.jsonl');
  {
    await using log = (await openLog({ path })).log;
    const ticket = log.begin({ caller: odd, tenant: odd, operation: odd });
    const odds = { provider: odd, keyId: odd, keyVersion: odd };
    await ticket.end({ outcome: 'failed', reason: odd, key: odds, providerRequestId: odd });
  }
  const named = { caller: odd, tenant: odd, operation: odd };
  expect(entriesIn(path)).toMatchObject([
    { ...named, reason: odd, provider: odd, key: odd, key_version: odd, provider_request_id: odd },
  ]);
  expect(linesIn(path).join('')).toMatch(/^[\x20-\x7e]+$/);
  expect(verified(linesIn(path)).faults).toEqual([]);
});

it('cuts a string that is longer than any name', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.jsonl');
  {
    await using log = (await openLog({ path })).log;
    await log.note({ ...subject, tenant: 'ü'.repeat(100_000) }, { outcome: 'denied' });
  }
  expect(entriesIn(path)).toMatchObject([{ tenant: `${'ü'.repeat(2047)}…` }]);
});

it('writes what comes while a write is under way as one block', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.jsonl');
  const disk = new MoodyDisk();
  const { log } = await openLog({ path, disk });
  disk.hold();
  const first = log.note(subject, { outcome: 'ok' });
  await expect.poll(() => disk.writes).toBe(1);
  const rest = Array.from({ length: 50 }, () => log.note(subject, { outcome: 'ok' }));
  expect(new Set(rest).size).toBe(1);
  expect(log.state.written).toBe(0);
  disk.release();
  await Promise.all([first, ...rest]);
  expect(log.state).toMatchObject({ written: 51, blocks: 2 });
  await log[Symbol.asyncDispose]();
  expect(verified(linesIn(path))).toMatchObject({ faults: [], entries: 51, blocks: 2 });
});

it('is as good on a disk that takes a few bytes at a time, or none for now', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.jsonl');
  const disk = new MoodyDisk();
  disk.most = 7;
  const { log, alarms } = await openLog({ path, disk });
  disk.code = 'EAGAIN';
  const end = log.begin(subject).end({ outcome: 'ok', key });
  await expect.poll(() => disk.writes).toBeGreaterThan(2);
  disk.code = undefined;
  await end;
  await log[Symbol.asyncDispose]();
  expect(verified(linesIn(path))).toMatchObject({ faults: [], entries: 1 });
  expect(alarms).toEqual([]);
});

it('fills blocks of a megabyte, hashed off the loop, and numbers on over powers of ten', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.jsonl');
  {
    await using log = (await openLog({ path })).log;
    for (let call = 0; call < 12_345; call += 1)
      log.note({ ...subject, tenant: `t${call % 5000}` }, { outcome: 'ok', key });
  }
  const report = verified(linesIn(path));
  expect(report).toMatchObject({ faults: [], entries: 12_345, last: { seq: 12_345 } });
  expect(report.blocks).toBeLessThan(10);
  expect(entriesIn(path).map(({ tenant }) => tenant)).toEqual(
    Array.from({ length: 12_345 }, (_, call) => `t${call % 5000}`),
  );
});

it('keeps the order of entries when the clock is set back', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.jsonl');
  const clock = new FakeClock();
  {
    await using log = (await openLog({ path, clock })).log;
    const ticket = log.begin(subject);
    await ticket.begun();
    clock.wallJump(-3_600_000);
    await ticket.end({ outcome: 'ok' });
    clock.wallJump(1);
    await log.note(subject, { outcome: 'ok' });
  }
  expect(entriesIn(path).map(({ seq, time }) => [seq, time])).toEqual([
    [1, '2026-01-01T00:00:00.000Z'],
    [2, '2025-12-31T23:00:00.000Z'],
    [3, '2025-12-31T23:00:00.001Z'],
  ]);
  expect(verified(linesIn(path)).faults).toEqual([]);
});

it('writes what waits when it is closed, once, and nothing after that', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.jsonl');
  const { log, alarms } = await openLog({ path });
  const end = log.begin(subject).end({ outcome: 'ok' });
  await Promise.all([log[Symbol.asyncDispose](), log[Symbol.asyncDispose]()]);
  await end;
  expect(entriesIn(path)).toHaveLength(1);
  expect(() => log.begin(subject)).toThrow('the audit log cannot be written');
  await expect(log.note(subject, { outcome: 'ok' })).rejects.toMatchObject({ reason: 'AUDIT_UNAVAILABLE' });
  expect(alarms).toEqual([]);
});

it('shares standard output with the lines of others, and none of them is torn', async () => {
  const program = `
    import { openAuditLog } from ${JSON.stringify(new URL('../../../src/audit/audit-log.ts', import.meta.url).href)};
    import { systemClock } from ${JSON.stringify(new URL('../../../src/base/clock.ts', import.meta.url).href)};
    import { writeSync } from 'node:fs';
    await using log = await openAuditLog({ sink: { kind: 'stdout' }, onFailure: 'refuse', clock: systemClock, onAlarm: console.error });
    for (let turn = 0; turn < 8; turn += 1) {
      const ends = Array.from({ length: 1000 }, () => log.begin({ caller: 'c', tenant: 't', operation: 'o' }).end({ outcome: 'ok' }));
      for (let line = 0; line < 20; line += 1) {
        try { writeSync(1, '{"level":30,"msg":"' + 'x'.repeat(300) + '"}\\n'); } catch (error) { if (error.code !== 'EAGAIN') throw error; }
        await new Promise(setImmediate);
      }
      await ends.at(-1);
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout) {
    text += chunk;
    // A reader that is slower than the writer: the pipe is full most of the time.
    await new Promise((done) => setTimeout(done, 5));
  }
  if (child.exitCode === null) await once(child, 'exit');
  const lines = text.split('\n').slice(0, -1);
  expect(verified(lines)).toMatchObject({ faults: [], entries: 8_000, chains: 1 });
  expect(lines.filter((line) => !line.startsWith('{"audit":1,')).every((line) => JSON.parse(line).level === 30)).toBe(
    true,
  );
  expect(lines.some((line) => line.startsWith('{"level":30'))).toBe(true);
});
