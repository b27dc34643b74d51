/**
 * What is left of a daemon while its port of metrics and health is flooded: docs/decisions/0016-probes-and-metrics.md has
 * the figures. The flood is a process of its own, on the same machine.
 *
 *     node build.ts && node bench/scrapes.ts [--program FILE] [--seconds N]      the built program; 6 s for each flood
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { connect } from '../test/support/client.ts';
import { type Daemon, startDaemon } from '../test/support/daemon.ts';
import { median } from './machine.ts';

const ask = (more: string) => `GET /metrics HTTP/1.1\r\nhost: a\r\n${more}\r\n`;

/** Connections at a time, and what each sends; one that ends is opened again. */
const floods = {
  nothing: { connections: 0, bytes: '' },
  'sent ahead': { connections: 300, bytes: ask('').repeat(500) },
  'read in a loop': { connections: 64, bytes: ask('connection: close\r\n') },
} as const;
type FloodName = keyof typeof floods;

/** A call that takes longer counts as not answered, in milliseconds. */
const patienceMs = 5000;

function flood(port: number, { connections, bytes }: (typeof floods)[FloodName]): void {
  const open = () => {
    const socket = connectTcp(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('error', () => {});
    // Whoever reads an answer is through, and comes again.
    socket.resume().once('end', () => socket.end());
    socket.once('close', () => setImmediate(open));
  };
  for (let count = 0; count < connections; count++) open();
}

async function measured(daemon: Daemon, seconds: number): Promise<string> {
  using client = connect(daemon.socket);
  const request = { tenant_id: 'demo', plaintext: Buffer.from('one record') };
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const begun = performance.now();
    const failure = await client
      .call('Encrypt', request, { deadline: Date.now() + patienceMs })
      .catch((error: unknown) => error);
    if (!(failure instanceof Error)) times.push(performance.now() - begun);
  }
  const begun = performance.now();
  const health = await fetch(`${daemon.http}/livez`, { signal: AbortSignal.timeout(patienceMs) }).then(
    ({ status }) => `${status} in ${(performance.now() - begun).toFixed(0)} ms`,
    () => 'no answer',
  );
  const status = await readFile(`/proc/${daemon.process.pid}/status`, 'utf8');
  const peak = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  const p50 = times.length === 0 ? 'none' : `${median(times).toFixed(1)} ms`;
  return `${String(times.length).padStart(7)} calls   p50 ${p50.padStart(9)}   /livez ${health.padEnd(14)}   peak ${peak.toFixed(0)} MiB`;
}

async function measure(name: FloodName, program: string, seconds: number): Promise<void> {
  await using daemon = await startDaemon({ program });
  const child = name === 'nothing' ? undefined : startFlood(name, new URL(daemon.http).port);
  try {
    console.log(`${name.padEnd(16)} ${await measured(daemon, seconds)}`);
  } finally {
    if (child !== undefined) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
}

function startFlood(name: FloodName, port: string): ChildProcess {
  return fork(import.meta.filename, ['--flood', name, '--port', port]);
}

const { values } = parseArgs({
  options: {
    program: { type: 'string', default: join(import.meta.dirname, '../dist/keyproxy.js') },
    seconds: { type: 'string', default: '6' },
    // For the process of the flood.
    flood: { type: 'string' },
    port: { type: 'string' },
  },
});
if (values.flood !== undefined) flood(Number(values.port), floods[values.flood as FloodName]);
else for (const name of Object.keys(floods)) await measure(name as FloodName, values.program, Number(values.seconds));
