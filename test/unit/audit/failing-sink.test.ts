/** A sink that fails: what calls hear, what the log tells of it, and that it works again by itself. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { AuditAlarm } from '../../../src/audit/failure.ts';
import { standardOutput, systemWrite } from '../../../src/audit/output.ts';
import { noHash } from '../../../src/audit/seal.ts';
import { ChainWriter, mostWaitingBytes, retryMs, stallMs } from '../../../src/audit/writer.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { countsOf, entriesIn, linesIn, MoodyDisk, openLog, subject, verified } from '../../support/audit-log.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const unavailable = { name: 'KeyproxyError', reason: 'AUDIT_UNAVAILABLE' };
const ok = { outcome: 'ok' } as const;

async function scene(onFailure: 'refuse' | 'continue') {
  const folder = await temporaryFolder();
  const [disk, clock] = [new MoodyDisk(), new FakeClock()];
  const path = join(folder.path, 'audit.jsonl');
  const opened = await openLog({ path, disk, clock, onFailure });
  return {
    ...{ ...opened, disk, clock, path },
    async [Symbol.asyncDispose]() {
      disk.code = undefined;
      disk.release();
      await opened.log[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe.each(['ENOSPC', 'EIO', 'EPIPE'])('a sink that fails with %s, where calls are refused', (code) => {
  it('rejects what waits, refuses what begins, and serves again once a write succeeds', async () => {
    await using s = await scene('refuse');
    const running = s.log.begin(subject);
    await running.begun();
    s.disk.code = code;
    const second = s.log.begin(subject);
    await expect(second.begun()).rejects.toMatchObject(unavailable);
    await expect(running.end(ok)).rejects.toMatchObject(unavailable);
    expect(() => s.log.begin(subject)).toThrow(expect.objectContaining({ ...unavailable, retryAfterMs: retryMs }));
    await expect(s.log.note(subject, { outcome: 'denied' })).rejects.toMatchObject(unavailable);
    expect(countsOf(s.log.state)).toEqual({ written: 1, refused: 1, lost: 0, isFailing: true });
    expect(s.alarms).toEqual([{ kind: 'failing', cause: code }]);
    s.disk.code = undefined;
    s.clock.advance(retryMs);
    await vi.waitFor(() => expect(s.log.state.isFailing).toBe(false));
    await s.log.begin(subject).end(ok);
    expect(s.alarms.slice(1)).toEqual([{ kind: 'restored', lost: 0, milliseconds: retryMs }]);
    expect(entriesIn(s.path).map(({ phase }) => phase)).toEqual(['begin', 'begin', 'end', 'end', 'call']);
    expect(verified(linesIn(s.path)).faults).toEqual([]);
  });

  it('tries once a second and no more often, and tells of it once', async () => {
    await using s = await scene('refuse');
    s.disk.code = code;
    await expect(s.log.begin(subject).begun()).rejects.toMatchObject(unavailable);
    const before = s.disk.writes;
    for (let second = 1; second <= 3; second += 1) {
      s.clock.advance(retryMs - 1);
      await new Promise((done) => setTimeout(done, 5));
      expect(s.disk.writes).toBe(before + second - 1);
      s.clock.advance(1);
      await vi.waitFor(() => expect(s.disk.writes).toBe(before + second));
      await vi.waitFor(() => expect(s.clock.timers).toBeGreaterThan(2));
    }
    expect(s.alarms).toHaveLength(1);
  });
});

it('goes on where a full disk cut a block in the middle of a line', async () => {
  await using s = await scene('refuse');
  s.disk.room = 50;
  await expect(s.log.begin(subject).begun()).rejects.toMatchObject(unavailable);
  expect(readFileSync(s.path)).toHaveLength(50);
  s.disk.room = Number.POSITIVE_INFINITY;
  s.clock.advance(retryMs);
  await vi.waitFor(() => expect(s.log.state.isFailing).toBe(false));
  expect(verified(linesIn(s.path))).toMatchObject({ faults: [], entries: 1 });
});

describe('a sink that fails where calls go on', () => {
  it('lets them, keeps what there is room for, and tells of the change of state alone', async () => {
    await using s = await scene('continue');
    s.disk.code = 'ENOSPC';
    for (let call = 0; call < 10; call += 1) {
      const ticket = s.log.begin(subject);
      await ticket.begun();
      await ticket.end(ok);
    }
    expect(countsOf(s.log.state)).toEqual({ written: 0, refused: 0, lost: 0, isFailing: true });
    s.disk.code = undefined;
    s.clock.advance(retryMs);
    await vi.waitFor(() => expect(s.log.state.isFailing).toBe(false));
    await s.log.note(subject, ok);
    expect(s.alarms.map(({ kind }) => kind)).toEqual(['failing', 'restored']);
    expect(verified(linesIn(s.path))).toMatchObject({ faults: [], entries: 12, lostEntries: 0 });
  });

  it('counts what there is no room for, and the log tells how many are missing where they are', async () => {
    await using s = await scene('continue');
    s.disk.code = 'ENOSPC';
    const wide = { ...subject, tenant: 't'.repeat(2000) };
    let calls = 0;
    for (; s.log.state.lost < 3; calls += 1) void s.log.note(wide, ok);
    expect(s.log.state.waitingBytes).toBeLessThan(mostWaitingBytes + 2 ** 16);
    s.disk.code = undefined;
    s.clock.advance(retryMs);
    await vi.waitFor(() => expect(s.log.state.isFailing).toBe(false), 10_000);
    await s.log.note(subject, ok);
    const report = verified(linesIn(s.path));
    expect(report).toMatchObject({ faults: [], entries: calls - 3 + 1, lostEntries: 3 });
    expect(s.alarms.at(-1)).toMatchObject({ kind: 'restored', lost: 3 });
  });
});

describe('a sink that hangs', () => {
  it('holds the calls that wait for it, and no others, until it counts as failing', async () => {
    await using s = await scene('refuse');
    s.disk.hold();
    const ticket = s.log.begin(subject);
    await vi.waitFor(() => expect(s.disk.writes).toBe(1));
    s.clock.advance(stallMs - 1);
    const end = ticket.end(ok);
    expect(s.log.state.isFailing).toBe(false);
    s.clock.advance(1);
    await expect(ticket.begun()).rejects.toMatchObject(unavailable);
    await expect(end).rejects.toMatchObject(unavailable);
    expect(s.alarms).toEqual([{ kind: 'failing', cause: 'STALLED' }]);
    s.disk.release();
    await vi.waitFor(() => expect(s.log.state.isFailing).toBe(false));
    await s.log.begin(subject).end(ok);
    expect(verified(linesIn(s.path))).toMatchObject({ faults: [], entries: 3 });
  });

  it('is not failing where each write ends in time, however many there are', async () => {
    await using s = await scene('refuse');
    for (let turn = 0; turn < 5; turn += 1) {
      s.disk.hold();
      const end = s.log.note(subject, ok);
      await vi.waitFor(() => expect(s.disk.writes).toBe(turn + 1));
      s.clock.advance(stallMs - 500);
      s.disk.release();
      await end;
    }
    expect(s.alarms).toEqual([]);
  });

  it('counts as failing when 64 MiB wait for it, and no call begins until half of that is written', async () => {
    await using s = await scene('refuse');
    s.disk.hold();
    const wide = { ...subject, tenant: 't'.repeat(2000) };
    let refused: unknown;
    while (refused === undefined) {
      try {
        s.log
          .begin(wide)
          .begun()
          .catch(() => {});
      } catch (error) {
        refused = error;
      }
    }
    expect(refused).toMatchObject(unavailable);
    expect(s.alarms).toEqual([{ kind: 'failing', cause: 'FULL' }]);
    expect(s.log.state.waitingBytes).toBeLessThan(mostWaitingBytes + 2 ** 16);
    s.disk.release();
    await vi.waitFor(() => expect(s.log.state.isFailing).toBe(false), 10_000);
    await s.log.begin(subject).end(ok);
    expect(verified(linesIn(s.path)).faults).toEqual([]);
  });
});

/** A writer on a descriptor of the test's own. */
function writerOn(fd: number) {
  const alarms: AuditAlarm[] = [];
  const writer = new ChainWriter(standardOutput({ block: 0, seq: 0, hash: noHash }, systemWrite, fd), {
    ...({ onFailure: 'refuse', clock: systemClock, onAlarm: (alarm: AuditAlarm) => alarms.push(alarm) } as const),
  });
  return { writer, alarms };
}

it('fails on the device that is always full, and closes all the same', async () => {
  const fd = openSync('/dev/full', 'w');
  const { writer, alarms } = writerOn(fd);
  writer.open()?.addText('{"audit":1,"seq":1}\n');
  await expect(writer.added()).rejects.toMatchObject(unavailable);
  expect(alarms).toEqual([{ kind: 'failing', cause: 'ENOSPC' }]);
  await writer[Symbol.asyncDispose]();
  closeSync(fd);
});
