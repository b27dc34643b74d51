/** `npm run demo` as a newcomer runs it, and what becomes of it when something goes wrong. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { latenciesOf, parseMetrics, quantile, sum } from '../../examples/demo/metrics.ts';
import { readRecords } from '../../examples/demo/records.ts';
import { Tally } from '../../examples/demo/tally.ts';
import { temporaryFolder } from '../support/daemon.ts';

const main = resolve(import.meta.dirname, '../../examples/demo/main.ts');

interface Run {
  readonly process: ChildProcess;
  output(): string;
  readonly ended: Promise<number | null>;
}

/** Starts the demo with its temporary files under `folder`. */
function startDemo(folder: string): Run {
  const child = spawn(process.execPath, [main], { env: { ...process.env, TMPDIR: folder } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  return { process: child, output: () => output, ended: new Promise((done) => child.once('close', done)) };
}

async function until(run: Run, text: string): Promise<void> {
  while (!run.output().includes(text)) {
    if (run.process.exitCode !== null) throw new Error(`the demo ended before "${text}":\n${run.output()}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

describe.concurrent('the demo', () => {
  test('holds in every line, ends with 0 and leaves nothing behind', async () => {
    await using folder = await temporaryFolder();
    const run = startDemo(folder.path);
    expect(await run.ended, run.output()).toBe(0);
    const held = [...run.output().matchAll(/^(.*\S) +(\d+) +✓$/gm)].map(([, what, count]) => [what, Number(count)]);
    expect(held).toEqual([
      [expect.stringContaining('stopped with exit code 0'), 2],
      [expect.stringContaining('records encrypted'), 400],
      [expect.stringContaining('data keys made'), 100],
      [expect.stringContaining('records decrypted after the restart'), 400],
      [expect.stringContaining('data keys unwrapped after the restart'), 100],
      [expect.stringContaining('rewrapped'), 2],
      [expect.stringContaining('records of one tenant refused'), 400],
      [expect.stringContaining('data keys of one tenant refused'), 100],
      [expect.stringContaining('under the id of another record'), 400],
    ]);
    const readme = await readFile(resolve(import.meta.dirname, '../../README.md'), 'utf8');
    const rows = run
      .output()
      .split('\n')
      .filter((line) => line.endsWith(' ✓'));
    expect(rows.filter((row) => !readme.includes(`\n${row}\n`))).toEqual([]);
    expect(run.output()).toMatch(/^Encrypt +400 +\d+\.\d\d ms +\d+\.\d\d ms$/m);
    expect(run.output()).toMatch(/^cache hit rate \d+\.\d % \(\d+ of \d+\)/m);
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('cleans up and ends with 130 when it is interrupted at work', async () => {
    await using folder = await temporaryFolder();
    const run = startDemo(folder.path);
    await until(run, 'encrypting');
    run.process.kill('SIGINT');
    expect(await run.ended).toBe(130);
    expect(run.output()).toContain('interrupted by SIGINT');
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('says why and ends with 1 when the daemon cannot start', async () => {
    await using folder = await temporaryFolder();
    // No Unix socket fits under a path this long.
    const deep = join(folder.path, 'x'.repeat(100));
    await mkdir(deep);
    const run = startDemo(deep);
    expect(await run.ended).toBe(1);
    expect(run.output()).toContain('✗ starting keyproxy: the daemon ended at its start with code');
    expect(await readdir(deep)).toEqual([]);
  });
});

test('the records of the demo are some 200 with ids of their own, small, with one empty and many beyond ASCII', async () => {
  const records = await readRecords();
  expect(records).toHaveLength(200);
  expect(new Set(records.map(({ id }) => id)).size).toBe(200);
  expect(new Set(records.map(({ purpose }) => purpose))).toEqual(new Set(['orders', 'patients', 'tickets']));
  expect(records.filter(({ body }) => body.length === 0)).toHaveLength(1);
  expect(Math.max(...records.map(({ body }) => body.length))).toBeLessThan(4096);
  expect(records.filter(({ body }) => body.some((byte) => byte > 127)).length).toBeGreaterThan(100);
});

describe('Tally', () => {
  test('does not hold with nothing promised', () => {
    expect(new Tally().holds).toBe(false);
  });

  test('holds once every promise is kept as often as promised', () => {
    const tally = new Tally();
    const held = tally.promise('calls', 2);
    held();
    expect(tally.holds).toBe(false);
    held();
    expect(tally.holds).toBe(true);
    held();
    expect(tally.holds).toBe(false);
  });

  test('names what did not hold, with the first reason', () => {
    const tally = new Tally();
    const held = tally.promise('calls answered', 3);
    held();
    held('the second was lost');
    held('the third was lost');
    tally.promise('never reached', 1);
    expect(tally.failures()).toEqual(['calls answered: 1 of 3; the second was lost', 'never reached: 0 of 1']);
  });
});

describe('latencies out of /metrics', () => {
  const text = [
    '# HELP grpc_server_handling_seconds Time.',
    'grpc_server_handling_seconds_bucket{le="0.001",grpc_method="Encrypt",grpc_code="OK"} 50',
    'grpc_server_handling_seconds_bucket{le="0.002",grpc_method="Encrypt",grpc_code="OK"} 90',
    'grpc_server_handling_seconds_bucket{le="+Inf",grpc_method="Encrypt",grpc_code="OK"} 100',
    'grpc_server_handling_seconds_bucket{le="+Inf",grpc_method="Decrypt",grpc_code="OK"} 7',
    'grpc_server_handling_seconds_count{grpc_method="Encrypt",grpc_code="OK"} 100',
  ].join('\n');
  const samples = parseMetrics(text);

  test('are interpolated inside their bucket, and bounded by the last one', () => {
    const latencies = latenciesOf(samples, 'Encrypt');
    expect(latencies.calls).toBe(100);
    expect(quantile(latencies, 0.25)).toBeCloseTo(0.0005);
    expect(quantile(latencies, 0.7)).toBeCloseTo(0.0015);
    expect(quantile(latencies, 0.99)).toBe(0.002);
  });

  test('add up over two lives of the daemon', () => {
    const latencies = latenciesOf([...samples, ...samples], 'Encrypt');
    expect(latencies.calls).toBe(200);
    expect(quantile(latencies, 0.25)).toBeCloseTo(0.0005);
    expect(sum([...samples, ...samples], 'grpc_server_handling_seconds_count', { grpc_code: 'OK' })).toBe(200);
  });
});
