/** The examples as a newcomer runs them: each a process of its own, against the real daemon. */
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Daemon, freePort, startDaemon } from '../support/daemon.ts';

const python = process.env['PYTHON'] ?? 'python3';
const probe = spawnSync(python, ['-c', 'import grpc, grpc_tools'], { encoding: 'utf8' });
const whyNoPython = probe.error ? `there is no ${python}` : `${python} has no grpcio with grpcio-tools`;

interface Example {
  readonly name: string;
  readonly command: string;
  readonly file: string;
  /** Why it cannot run here. */
  readonly skipped?: string;
  /** What it prints about a data key. */
  readonly dataKeyLine: RegExp;
}

const examples: readonly Example[] = [
  {
    name: 'examples/node/roundtrip.ts',
    command: process.execPath,
    file: fileURLToPath(new URL('../../examples/node/roundtrip.ts', import.meta.url)),
    dataKeyLine: /^sealed it here under a data key, kept as \d+ wrapped bytes; unwrapped and opened it$/,
  },
  {
    name: 'examples/python/roundtrip.py',
    command: python,
    file: fileURLToPath(new URL('../../examples/python/roundtrip.py', import.meta.url)),
    dataKeyLine: /^took a data key of 32 bytes, kept as \d+ wrapped bytes, and unwrapped it again$/,
    ...(probe.status !== 0 && { skipped: whyNoPython }),
  },
];

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run({ command, file }: Example, args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(command, [file, ...args], {
    env: { ...process.env, TENANT: 'demo', PYTHONDONTWRITEBYTECODE: '1', ...env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (code) => done({ code, stdout, stderr }));
  });
}

let daemon: Daemon;
beforeAll(async () => {
  daemon = await startDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

test('serve --dev prints the examples with the address that it serves', async () => {
  const lines = () =>
    daemon
      .output()
      .split('\n')
      .map((line) => line.trim());
  // It is ready a moment before its first words have come through the pipe.
  await expect.poll(lines).toContain('Stop with Ctrl-C.');
  const printed = lines();
  expect(printed).toContain(`npx node examples/node/roundtrip.ts ${daemon.tcp}`);
  expect(printed).toContain(`python3 examples/python/roundtrip.py ${daemon.tcp}`);
  expect(printed).toContain(`${daemon.tcp} keyproxy.v1.KeyProxy/Encrypt`);
  expect(printed).toContain(daemon.socket);
});

describe.each(examples)('$name', (example) => {
  const runnable = test.skipIf(example.skipped !== undefined);
  const why = example.skipped === undefined ? '' : ` (skipped: ${example.skipped})`;

  function expectRoundTrip({ code, stdout, stderr }: Ended): void {
    expect(stderr).toBe('');
    expect(stdout.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^encrypted 63 bytes into \d+ under local keyproxy-dev$/),
      'decrypted them again',
      expect.stringMatching(example.dataKeyLine),
      'refused: DECRYPT_FAILED (INVALID_ARGUMENT): decryption failed',
    ]);
    expect(code).toBe(0);
  }

  runnable(`goes round over the socket of its argument${why}`, async () => {
    expectRoundTrip(await run(example, [daemon.socket]));
  });

  runnable(`goes round over TCP, marked as the listener demands${why}`, async () => {
    expectRoundTrip(await run(example, [daemon.tcp]));
  });

  runnable(`takes the address that a sidecar gives in KEYPROXY_ADDRESS${why}`, async () => {
    const KEYPROXY_ADDRESS = `unix://${daemon.socket.slice('unix:'.length)}`;
    expectRoundTrip(await run(example, [], { KEYPROXY_ADDRESS }));
  });

  runnable(`ends with the reason of a refusal in one line${why}`, async () => {
    const { code, stdout, stderr } = await run(example, [daemon.socket], { TENANT: 'nobody' });
    expect(stdout).toBe('');
    expect(stderr).toBe('refused: TENANT_UNKNOWN (NOT_FOUND): no tenant of this name is configured here\n');
    expect(code).toBe(1);
  });

  runnable(`tells in one line that nobody answers${why}`, async () => {
    const { code, stderr } = await run(example, [`127.0.0.1:${await freePort()}`]);
    expect(stderr).toMatch(/^failed: UNAVAILABLE: .+\n$/);
    expect(code).toBe(1);
  });
});
