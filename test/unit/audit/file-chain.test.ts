/** The log in files: over restarts, after a kill at every byte, through rotation, and until it is too old. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { rename, rm, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import {
  countsOf,
  entriesIn,
  key,
  type LogScene,
  linesIn,
  MoodyDisk,
  openLog,
  subject,
  verified,
  verifiedFolder,
} from '../../support/audit-log.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { leaveDeadSocket } from '../../support/dead-socket.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { withoutUnixSockets } from '../../support/no-unix-sockets.ts';

const ok = { outcome: 'ok', key } as const;

/** A closed chain of two blocks with two entries each. */
async function writtenChain(path: string): Promise<void> {
  await using log = (await openLog({ path })).log;
  await Promise.all([log.note(subject, ok), log.note(subject, ok)]);
  await Promise.all([log.note(subject, ok), log.note(subject, ok)]);
}

describe('a chain that is opened again', () => {
  it('goes on with the next block and the next entry', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a/b/audit.jsonl');
    await writtenChain(path);
    await writtenChain(path);
    expect(entriesIn(path).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const report = verified(linesIn(path));
    expect(report).toMatchObject({ faults: [], blocks: 4, recoveredBlocks: 0, last: { block: 4, seq: 8 } });
    expect(statSync(join(folder.path, 'a')).mode & 0o777).toBe(0o700);
  });

  it('loses no whole line, whichever byte of it was the last to be written', async () => {
    await using folder = await temporaryFolder();
    const whole = join(folder.path, 'whole.jsonl');
    await writtenChain(whole);
    const bytes = readFileSync(whole);
    const from = bytes.indexOf('{"audit":1,"seq":4');
    const cuts = Array.from({ length: bytes.length - from + 1 }, (_, index) => from + index);
    expect(cuts.length).toBeGreaterThan(400);
    const opened = async (cut: number) => {
      const path = join(folder.path, `${cut}.jsonl`);
      writeFileSync(path, bytes.subarray(0, cut));
      const { log, alarms } = await openLog({ path });
      await log.note(subject, ok);
      await log[Symbol.asyncDispose]();
      const kept =
        bytes
          .subarray(0, cut)
          .toString('latin1')
          .match(/\{"audit":1,"seq":\d+.*\}/g)?.length ?? 0;
      const report = verified(linesIn(path));
      expect(report, `cut at ${cut}`).toMatchObject({ faults: [], entries: kept + 1, last: { seq: kept + 1 } });
      expect(alarms).toEqual(report.recoveredBlocks === 0 ? [] : [{ kind: 'recovered', entries: kept - 2 }]);
    };
    for (let at = 0; at < cuts.length; at += 20) await Promise.all(cuts.slice(at, at + 20).map(opened));
  });

  it('seals what it finds once, also where that was cut short, too', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    await writtenChain(path);
    appendFileSync(path, '{"audit":1,"seq":5,"ti');
    await writtenChain(path);
    appendFileSync(path, '{"audit":1,"seq":9,"ti\n{"audit":1,"seal":{"block":6,"entr');
    await writtenChain(path);
    expect(verified(linesIn(path))).toMatchObject({ faults: [], recoveredBlocks: 2, entries: 12 });
  });

  it.each([
    ['somebody else’s file', 'root:x:0:0:root:/root:/bin/sh\n'],
    ['a log whose last block is further than any block is long', `${'{"audit":1,"seq":1}\n'.repeat(900_000)}`],
  ])('refuses to write into %s', async (_name, text) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    writeFileSync(path, text);
    await expect(openLog({ path })).rejects.toMatchObject({
      name: 'AuditOpenError',
      message: expect.stringContaining(`cannot go on with the audit log ${path}`),
    });
    expect(readFileSync(path, 'latin1')).toBe(text);
    expect(readdirSync(folder.path)).toEqual(['audit.jsonl']);
  });

  it('says so where its file system has no Unix sockets', async () => {
    await using folder = await temporaryFolder();
    withoutUnixSockets();
    const path = join(folder.path, 'audit.jsonl');
    const problem = 'no Unix socket can be made there (EPERM); choose a path on a file system that has them';
    await expect(openLog({ path })).rejects.toMatchObject({
      name: 'AuditOpenError',
      message: `cannot take the lock ${path}.lock of the audit log: ${problem}`,
    });
  });

  it('says why a place cannot be had', async () => {
    await using folder = await temporaryFolder();
    writeFileSync(join(folder.path, 'file'), '');
    const path = join(folder.path, 'file', 'audit.jsonl');
    await expect(openLog({ path })).rejects.toThrow(`cannot write the audit log ${path}: EEXIST`);
  });

  it.each<readonly [string, (path: string) => unknown]>([
    ['a folder', (path) => mkdirSync(path)],
    ['a FIFO', (path) => expect(spawnSync('mkfifo', ['-m', '0644', path]).status).toBe(0)],
    ['a device', (path) => symlink('/dev/full', path)],
  ])('takes no other thing for a file, and leaves it as it is: %s', async (_name, make) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    await make(path);
    const { mode } = statSync(path);
    await expect(openLog({ path })).rejects.toMatchObject({
      name: 'AuditOpenError',
      message: `cannot write the audit log ${path}: it is not a regular file; name one, a path where nothing is yet, or stdout`,
    });
    expect(statSync(path).mode).toBe(mode);
    expect(readdirSync(folder.path)).toEqual(['audit.jsonl']);
  });
});

describe('a file that is taken away while it is written', () => {
  /** A log of one entry, whose file is then looked at again. */
  async function openedLog(path: string, scene: Partial<LogScene> = {}) {
    const clock = new FakeClock();
    const opened = await openLog({ path, clock, ...scene });
    await opened.log.note(subject, ok);
    clock.advance(1_000);
    return { ...opened, clock };
  }

  it('is an alarm, and the chain goes on in a new one', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    const { log, alarms } = await openedLog(path);
    await rename(path, join(folder.path, 'moved'));
    await log.note(subject, ok);
    await log.note(subject, ok);
    await log[Symbol.asyncDispose]();
    expect(alarms).toEqual([{ kind: 'replaced', block: 2 }]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const [moved, lines] = [linesIn(join(folder.path, 'moved')), linesIn(path)];
    expect(verified([...moved, ...lines])).toMatchObject({ faults: [], blocks: 3, entries: 3 });
    expect(verified(lines).faults).toMatchObject([{ what: expect.stringContaining('--from 2') }]);
    expect(verified(lines, { from: 2 })).toMatchObject({ faults: [], blocks: 2 });
    await writtenChain(path);
    expect(verified(linesIn(path), { from: 2 })).toMatchObject({ faults: [], blocks: 4 });
  });

  it('is noticed at the end, where nothing was written since', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    const { log, alarms } = await openedLog(path);
    await rm(path);
    await log[Symbol.asyncDispose]();
    expect(alarms).toEqual([{ kind: 'replaced', block: 2 }]);
  });

  it('is looked for once a second', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    const { log, alarms, clock } = await openedLog(path);
    await log.note(subject, ok);
    clock.advance(999);
    await rename(path, join(folder.path, 'moved'));
    await log.note(subject, ok);
    expect(alarms).toEqual([]);
    clock.advance(1);
    await log.note(subject, ok);
    await log[Symbol.asyncDispose]();
    expect(alarms).toEqual([{ kind: 'replaced', block: 4 }]);
    expect([linesIn(join(folder.path, 'moved')).length, linesIn(path).length]).toEqual([6, 2]);
  });

  it('leaves its name to another one that is empty, or a copy of the log', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    const { log, alarms, clock } = await openedLog(path);
    const copy = readFileSync(path);
    await rm(path);
    writeFileSync(path, copy);
    await log.note(subject, ok);
    expect(verified(linesIn(path))).toMatchObject({ faults: [], blocks: 2 });
    await rm(path);
    writeFileSync(path, '', { mode: 0o644 });
    clock.advance(1_000);
    await log.note(subject, ok);
    await log[Symbol.asyncDispose]();
    expect(alarms).toEqual([
      { kind: 'replaced', block: 2 },
      { kind: 'replaced', block: 3 },
    ]);
    expect(verified(linesIn(path), { from: 3 })).toMatchObject({ faults: [], blocks: 1 });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it.each<readonly [string, (path: string) => unknown, string]>([
    ['somebody else’s file', (path) => writeFileSync(path, 'root:x:0:0:root:/root:/bin/sh\n'), 'REPLACED'],
    ['a log that is not sealed', (path) => writeFileSync(path, '{"audit":1,"seq":1}\n'), 'REPLACED'],
    ['a folder', (path) => mkdirSync(path), 'REPLACED'],
    ['a FIFO', (path) => spawnSync('mkfifo', [path]), 'REPLACED'],
    ['a link that leads nowhere', (path) => symlink('nowhere/audit.jsonl', path), 'ENOENT'],
  ])('fails where its name is %s, until that is gone', async (_name, make, cause) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    const { log, alarms, clock } = await openedLog(path);
    await rm(path);
    await make(path);
    await expect(log.note(subject, ok)).rejects.toMatchObject({ reason: 'AUDIT_UNAVAILABLE' });
    expect(alarms).toEqual([{ kind: 'failing', cause }]);
    await rm(path, { recursive: true });
    await vi.waitFor(() => {
      clock.advance(1_000);
      expect(log.state.isFailing).toBe(false);
    });
    await log[Symbol.asyncDispose]();
    expect(alarms).toMatchObject([{ kind: 'failing' }, { kind: 'replaced', block: 2 }, { kind: 'restored', lost: 0 }]);
    expect(verified(linesIn(path), { from: 2 })).toMatchObject({ faults: [], entries: 1 });
  });

  it('is not put aside in the name of the full one, nor is what has its name', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    const clock = new FakeClock();
    const disk = new MoodyDisk();
    const { log, alarms } = await openLog({ path, clock, disk, maxFileBytes: 600 });
    await log.note(subject, ok);
    disk.hold();
    const last = log.note(subject, ok);
    await vi.waitFor(() => expect(disk.writes).toBe(2));
    await rename(path, join(folder.path, 'moved'));
    disk.release();
    await last;
    await log.note(subject, ok);
    await log[Symbol.asyncDispose]();
    expect(alarms).toEqual([{ kind: 'replaced', block: 3 }]);
    expect(readdirSync(folder.path).sort()).toEqual(['audit.jsonl', 'moved']);
    expect(verified([...linesIn(join(folder.path, 'moved')), ...linesIn(path)])).toMatchObject({
      faults: [],
      blocks: 3,
    });
  });
});

describe('the lock', () => {
  it('lets one daemon write, in a path of any length, and the next one once it has ended', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'd'.repeat(150), 'audit.jsonl');
    const first = await openLog({ path });
    await expect(openLog({ path })).rejects.toMatchObject({
      name: 'AuditOpenError',
      message: `cannot write the audit log ${path}: another process writes it; stop that one or choose another path`,
    });
    await first.log.note(subject, ok);
    await first.log[Symbol.asyncDispose]();
    await writtenChain(path);
    expect(verified(linesIn(path))).toMatchObject({ faults: [], entries: 5 });
    expect(readdirSync(join(folder.path, 'd'.repeat(150)))).toEqual(['audit.jsonl']);
  });

  it('lets one of two write that start at once over what a killed one left, and tells the other', async () => {
    await using folder = await temporaryFolder();
    for (let round = 0; round < 20; round++) {
      const path = join(folder.path, `${round}.jsonl`);
      await leaveDeadSocket(`${path}.lock`);
      const both = await Promise.allSettled([openLog({ path }), openLog({ path })]);
      const losers = both.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []));
      expect(losers).toEqual([expect.stringMatching(/another process writes it; stop that one/)]);
      for (const one of both) if (one.status === 'fulfilled') await one.value.log[Symbol.asyncDispose]();
    }
  });

  it('may have a name as long as the system lets it be', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, `${'n'.repeat(200)}.jsonl`);
    await using _first = (await openLog({ path })).log;
    await expect(openLog({ path })).rejects.toThrow('another process writes it');
  });

  it('is not taken by two logs of one folder from each other', async () => {
    await using folder = await temporaryFolder();
    await using one = (await openLog({ path: join(folder.path, 'one.jsonl') })).log;
    await using other = (await openLog({ path: join(folder.path, 'other.jsonl') })).log;
    await Promise.all([one.note(subject, ok), other.note(subject, ok)]);
  });

  it('does not remove what is no socket', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    writeFileSync(`${path}.lock`, 'mine');
    await expect(openLog({ path })).rejects.toThrow('it is not a socket; move it away');
    expect(readFileSync(`${path}.lock`, 'utf8')).toBe('mine');
  });
});

describe('rotation', () => {
  it('moves on when a file is full, under load, in one chain', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    const { log, alarms } = await openLog({ path, maxFileBytes: 20_000 });
    for (let turn = 0; turn < 80; turn += 1) {
      await Promise.all(Array.from({ length: 20 }, () => log.begin(subject).end(ok)));
    }
    await log[Symbol.asyncDispose]();
    await writtenChain(path);
    expect(alarms).toEqual([]);
    const names = readdirSync(folder.path).sort();
    expect(names.length).toBeGreaterThan(10);
    expect(names.slice(1).every((name) => /^audit\.jsonl\.\d{12}-\d{12}$/.test(name))).toBe(true);
    expect(names[1]).toMatch(/^audit\.jsonl\.000000000001-/);
    for (const name of names) expect(statSync(join(folder.path, name)).mode & 0o777).toBe(0o600);
    expect(await verifiedFolder(folder.path)).toMatchObject({ faults: [], entries: 1604, recoveredBlocks: 0 });
  });

  it('is gone on with after a kill between its two steps', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    await writtenChain(path);
    const full = join(folder.path, 'audit.jsonl.000000000001-000000000002');
    writeFileSync(full, readFileSync(path));
    await rm(path);
    writeFileSync(`${path}.next`, '');
    await writtenChain(path);
    expect(readdirSync(folder.path).sort()).toEqual(['audit.jsonl', basename(full)]);
    expect(await verifiedFolder(folder.path)).toMatchObject({ faults: [], entries: 8 });
  });

  it('that fails is an alarm, harms no call, and is tried again a minute later', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    const clock = new FakeClock();
    const { log, alarms } = await openLog({ path, clock, maxFileBytes: 1 });
    mkdirSync(`${path}.000000000001-000000000001`);
    await log.note(subject, ok);
    await vi.waitFor(() => expect(alarms).toEqual([{ kind: 'rotation_failed', cause: 'EEXIST' }]));
    await log.note(subject, ok);
    clock.advance(60_000);
    await log.note(subject, ok);
    await log[Symbol.asyncDispose]();
    expect(alarms).toHaveLength(1);
    expect(linesIn(`${path}.000000000001-000000000003`)).toHaveLength(6);
    expect(countsOf(log.state)).toMatchObject({ written: 3, lost: 0 });
  });
});

describe('retention', () => {
  const day = 86_400_000;

  /** Full files whose last entries are this many days old. */
  async function aged(path: string, days: readonly number[], now: number): Promise<void> {
    const { log } = await openLog({ path, maxFileBytes: 1 });
    for (const _ of days) await log.note(subject, ok);
    await log[Symbol.asyncDispose]();
    for (const [index, age] of days.entries()) {
      const block = String(index + 1).padStart(12, '0');
      utimesSync(`${path}.${block}-${block}`, new Date(now - age * day), new Date(now - age * day));
    }
  }

  it('deletes full files that are too old, and neither younger ones nor the one that is written', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    const clock = new FakeClock();
    await aged(path, [50, 41, 39, 1], clock.now());
    utimesSync(path, new Date(0), new Date(0));
    {
      await using _ = (await openLog({ path, clock, retentionDays: 40 })).log;
    }
    expect(readdirSync(folder.path).sort()).toEqual([
      'audit.jsonl',
      'audit.jsonl.000000000003-000000000003',
      'audit.jsonl.000000000004-000000000004',
    ]);
    expect((await verifiedFolder(folder.path)).faults).toMatchObject([{ what: expect.stringContaining('--from 3') }]);
    expect(await verifiedFolder(folder.path, { from: 3 })).toMatchObject({ faults: [], firstBlock: 3, entries: 2 });
  });

  it('deletes while the daemon runs, from the oldest on', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    const clock = new FakeClock();
    await aged(path, [39.5, 39, 1], clock.now());
    await using _ = (await openLog({ path, clock, retentionDays: 40 })).log;
    clock.advance(3_600_000);
    await vi.waitFor(() => expect(clock.timers).toBe(1));
    expect(readdirSync(folder.path)).toHaveLength(5);
    clock.advance(day);
    await vi.waitFor(() =>
      expect(readdirSync(folder.path).filter((name) => name.includes('-'))).toEqual([
        'audit.jsonl.000000000003-000000000003',
      ]),
    );
  });

  it('that fails is an alarm', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'audit.jsonl');
    const clock = new FakeClock();
    await aged(path, [1, 1], clock.now());
    const old = `${path}.000000000001-000000000001`;
    await rm(old);
    mkdirSync(old);
    utimesSync(old, new Date(0), new Date(0));
    const { log, alarms } = await openLog({ path, clock });
    await vi.waitFor(() =>
      expect(alarms).toEqual([{ kind: 'retention_failed', file: old, cause: expect.stringMatching(/^E/) }]),
    );
    await log[Symbol.asyncDispose]();
  });
});
