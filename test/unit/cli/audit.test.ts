/** `keyproxy audit` in process: what it prints, and its exit codes. */
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyAudit } from '../../../src/app/audit-files.ts';
import { StartupError } from '../../../src/app/startup-error.ts';
import { audit } from '../../../src/cli/audit.ts';
import { UsageError } from '../../../src/cli/exit.ts';
import { key, openLog } from '../../support/audit-log.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const file = () => join(folder.path, 'log', 'audit.jsonl');

/** A call a minute from the first of January on: three that went well, one that failed, one denied, one that never ended. */
beforeAll(async () => {
  folder = await temporaryFolder();
  const clock = new FakeClock();
  await using log = (await openLog({ path: file(), clock, maxFileBytes: 500 })).log;
  const call = async (tenant: string, outcome: Parameters<ReturnType<typeof log.begin>['end']>[0]) => {
    const ticket = log.begin({ caller: 'socket', tenant, operation: 'encrypt' });
    await ticket.begun();
    clock.advance(25);
    await ticket.end(outcome);
    clock.advance(59_975);
  };
  await call('t1', { outcome: 'ok', key, providerRequestId: 'req-1' });
  await call('t1', { outcome: 'ok', key });
  await call('t2', { outcome: 'ok' });
  await call('t2', { outcome: 'failed', reason: 'KEY_DISABLED' });
  await log.note(
    { caller: 'spiffe://a/b', tenant: 'x\u001b[2Jy', operation: 'decrypt' },
    { outcome: 'denied', reason: 'ACCESS_DENIED' },
  );
  await log.begin({ caller: 'socket', tenant: 't3', operation: 'unwrap' }).begun();
});

/** The text of a chain of one entry. */
async function plain(): Promise<string> {
  const path = join(folder.path, `plain-${randomUUID()}.jsonl`);
  {
    await using log = (await openLog({ path })).log;
    await log.note({ caller: 'socket', tenant: 't1', operation: 'encrypt' }, { outcome: 'ok' });
  }
  return readFileSync(path, 'latin1');
}

afterAll(() => folder[Symbol.asyncDispose]());

async function run(...args: string[]) {
  const printed = { out: '', err: '' };
  const code = await audit(args, {
    env: {},
    cwd: folder.path,
    out: (text) => {
      printed.out += text;
    },
    err: (text) => {
      printed.err += text;
    },
    untilSignal: () => Promise.resolve('SIGTERM'),
  });
  return { code, ...printed };
}

async function shown(...args: string[]): Promise<string[]> {
  const { out } = await run('show', 'log', '--json', ...args);
  return out === ''
    ? []
    : out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).tenant);
}

describe('keyproxy audit verify', () => {
  it.each(['log', 'log/audit.jsonl'])('prints what a whole chain holds: %s', async (path) => {
    const { code, out, err } = await run('verify', path);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(
      /^10 entries in 10 blocks of \d files, from 2026-01-01T00:00:00.000Z to 2026-01-01T00:04:00.000Z\nfrom block 1 to block 10, whose hash is [0-9a-f]{64}\n✓ the chain is whole\n$/,
    );
    expect(Number(/of (\d) files/.exec(out)?.[1])).toBeGreaterThan(2);
  });

  it('says where a chain is broken, exit code 1', async () => {
    const path = join(folder.path, 'changed.jsonl');
    writeFileSync(path, (await plain()).replace('"tenant":"t1"', '"tenant":"t9"'));
    const { code, out, err } = await run('verify', 'changed.jsonl');
    expect(code).toBe(1);
    expect(err).toContain(`✗ ${path}:2: block 1 (from line 1 on): its lines are not those that were sealed`);
    expect(err).toContain('✗ the chain is broken\n');
    expect(out).not.toContain('whole');
  });

  it('checks one full file where its first block is named', async () => {
    const name = 'log/audit.jsonl.000000000001-000000000002';
    expect((await run('verify', name)).code).toBe(0);
    const next = join(
      'log',
      readdirSync(join(folder.path, 'log')).find((each) => each.includes('.000000000003-')) ?? '',
    );
    expect((await run('verify', next)).code).toBe(1);
    expect((await run('verify', next, '--from', '3')).code).toBe(0);
  });

  it('finds a block by a hash that was printed before', async () => {
    const hash = /hash is ([0-9a-f]{64})/.exec((await run('verify', 'log')).out)?.[1] ?? '';
    expect((await run('verify', 'log', '--holds', hash)).code).toBe(0);
    const { code, err } = await run('verify', 'log', '--holds', hash.replaceAll(/[0-8]/g, '9'));
    expect([code, err]).toEqual([1, expect.stringContaining('blocks at the end are gone')]);
  });

  it('waits for a block that is being written as it looks', async () => {
    const text = await plain();
    const path = join(folder.path, 'written.jsonl');
    writeFileSync(path, text.slice(0, -30));
    const verdict = run('verify', 'written.jsonl');
    await new Promise((done) => setTimeout(done, 100));
    const fd = openSync(path, 'a');
    writeSync(fd, text.slice(-30));
    closeSync(fd);
    expect((await verdict).code).toBe(0);
  });

  it('reads what is piped in, where a process that was started again begins anew', async () => {
    const text = `${await plain()}{"level":30}\n${await plain()}`;
    const input = async function* () {
      for (let from = 0; from < text.length; from += 50) yield Buffer.from(text.slice(from, from + 50));
    };
    const verdict = await verifyAudit({ kind: 'input', input: input() }, {});
    expect(verdict).toMatchObject({ faults: [], chains: 2, entries: 2, otherLines: 1, files: 1 });
  });

  it('tells of recovered blocks and lines of others', async () => {
    const path = join(folder.path, 'recovered.jsonl');
    writeFileSync(path, '{"audit":1,"seq":1,"ti');
    await (await openLog({ path })).log[Symbol.asyncDispose]();
    renameSync(path, `${path}.old`);
    writeFileSync(path, `{"level":30}\n${readFileSync(`${path}.old`, 'utf8')}`);
    const { code, out } = await run('verify', 'recovered.jsonl');
    expect(code).toBe(0);
    expect(out).toMatch(
      /^! 1 blocks were sealed after their process was killed.*\n! 1 lines are not of the audit log\n0 entries in 1 blocks of 1 files\n/,
    );
  });
});

describe('keyproxy audit show', () => {
  it('prints a table that pairs begin and end, and shows nothing that moves a cursor', async () => {
    const { code, out, err } = await run('show', 'log');
    expect([code, err]).toEqual([0, '']);
    const [title, ...rows] = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(title).toEqual([
      'TIME',
      'MS',
      'OUTCOME',
      'REASON',
      'OPERATION',
      'TENANT',
      'CALLER',
      'ID',
      'KEY',
      'PROVIDER_REQUEST_ID',
    ]);
    const id = expect.stringMatching(/^[0-9a-f]{12}-[0-9a-f]{10}$/);
    expect(rows).toEqual([
      ['2026-01-01T00:00:00.000Z', '25', 'ok', '-', 'encrypt', 't1', 'socket', id, 'arn:k', 'req-1'],
      ['2026-01-01T00:01:00.000Z', '25', 'ok', '-', 'encrypt', 't1', 'socket', id, 'arn:k', '-'],
      ['2026-01-01T00:02:00.000Z', '25', 'ok', '-', 'encrypt', 't2', 'socket', id, '-', '-'],
      ['2026-01-01T00:03:00.000Z', '25', 'failed', 'KEY_DISABLED', 'encrypt', 't2', 'socket', id, '-', '-'],
      [
        '2026-01-01T00:04:00.000Z',
        '0',
        'denied',
        'ACCESS_DENIED',
        'decrypt',
        'x\\u001b[2Jy',
        'spiffe://a/b',
        id,
        '-',
        '-',
      ],
      ['2026-01-01T00:04:00.000Z', '-', 'unfinished', '-', 'unwrap', 't3', 'socket', id, '-', '-'],
    ]);
  });

  it('prints lines of JSON', async () => {
    const { out } = await run('show', 'log', '--json', '--last', '6');
    expect(JSON.parse(out.split('\n')[0] ?? '')).toEqual({
      ...{ id: expect.any(String), time: '2026-01-01T00:00:00.000Z', ended: '2026-01-01T00:00:00.025Z' },
      ...{ caller: 'socket', tenant: 't1', operation: 'encrypt', outcome: 'ok' },
      ...{ provider: 'aws_kms', key: 'arn:k', key_version: 'v1', provider_request_id: 'req-1' },
    });
  });

  it.each<[string[], string[]]>([
    [
      ['--tenant', 't2'],
      ['t2', 't2'],
    ],
    [['--caller', 'spiffe://a/b'], ['x\u001b[2Jy']],
    [['--operation', 'unwrap'], ['t3']],
    [['--outcome', 'unfinished'], ['t3']],
    [['--outcome', 'ok', '--tenant', 't2'], ['t2']],
    [['--reason', 'KEY_DISABLED'], ['t2']],
    [['--id', 'no-such-id'], []],
    [
      ['--since', '2026-01-01T00:03:00Z'],
      ['t2', 'x\u001b[2Jy', 't3'],
    ],
    [['--until', '2026-01-01T01:00:30+01:00'], ['t1']],
    [
      ['--since', '2026-01-01', '--until', '2026-01-02'],
      ['t1', 't1', 't2', 't2', 'x\u001b[2Jy', 't3'],
    ],
    [['--since', '5m'], []],
    [
      ['--last', '2'],
      ['x\u001b[2Jy', 't3'],
    ],
    [
      ['--last', '100', '--tenant', 't1'],
      ['t1', 't1'],
    ],
  ])('shows what is asked for: %j', async (args, tenants) => {
    expect(await shown(...args)).toEqual(tenants);
  });

  it('says how many lines it could not read', async () => {
    writeFileSync(join(folder.path, 'odd.jsonl'), '{"audit":1,"seq":1,"ti\n');
    const { code, err } = await run('show', 'odd.jsonl');
    expect([code, err]).toEqual([0, '! 1 lines are no entries; keyproxy audit verify tells more\n']);
  });
});

describe('a command line that is wrong', () => {
  it.each([
    [[], 'audit needs verify or show'],
    [['constructor'], 'audit needs verify or show'],
    [['verify'], 'name one file, one folder, or -'],
    [['show', 'a', 'b'], 'name one file, one folder, or -'],
    [['verify', 'log', '--from', '0'], '--from must be a whole number from 1 on'],
    [['verify', 'log', '--holds', 'abc'], '--holds must be the 64 hexadecimal digits'],
    [['show', 'log', '--last', '-1'], 'argument is ambiguous'],
    [
      ['show', 'log', '--operation', 'Decrypt'],
      '--operation must be one of generate_dek, unwrap, encrypt, decrypt, rewrap, describe_tenant',
    ],
    [['show', 'log', '--outcome', 'good'], '--outcome must be one of ok, failed, denied, unfinished'],
    [['show', 'log', '--since', 'yesterday'], '--since must be a time like'],
  ])('gets one sentence: %j', async (args, message) => {
    await expect(run(...args)).rejects.toThrow(message);
  });

  it('is a usage error', async () => {
    await expect(run('verify')).rejects.toBeInstanceOf(UsageError);
  });

  it.each([['verify'], ['show']])('%s names the file that cannot be read, once', async (command) => {
    const missing = run(command, 'no-such-file');
    await expect(missing).rejects.toBeInstanceOf(StartupError);
    await expect(missing).rejects.toThrow(`cannot read the audit log ${join(folder.path, 'no-such-file')}: ENOENT`);
  });

  it('is told which chains are in a folder that has two', async () => {
    await using two = await temporaryFolder();
    for (const name of ['a.jsonl', 'b.jsonl']) writeFileSync(join(two.path, name), '');
    await expect(run('verify', two.path)).rejects.toThrow(`which audit log in ${two.path} is meant; name one of`);
  });

  it('prints its usage where that is asked for', async () => {
    for (const args of [['--help'], ['verify', '--help'], ['show', '--help']]) {
      const { code, out } = await run(...args);
      expect([code, out]).toEqual([0, expect.stringMatching(/^usage: keyproxy audit verify PATH/)]);
    }
  });
});
