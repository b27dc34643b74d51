/**
 * The memory of a real injector, under a crowd of connections on each of which somebody has asked about a pod of 500
 * containers and stays. Alone: `npx vitest run --project long test/long/injector-crowd.test.ts`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, expect, it } from 'vitest';
import { makeAuthority } from '../support/certificates.ts';
import { freePort, temporaryFolder } from '../support/daemon.ts';
import { testedProgram } from '../support/tested-program.ts';

/** More than the injector keeps. */
const connections = 1000;
const atATime = 25;
/**
 * The heap that Node 24 takes by itself in a memory cgroup of that limit, of 259 MiB in all by `v8.getHeapStatistics()`:
 * with the room for young objects of a large machine much would be collected later.
 */
const heap = ['--max-old-space-size=256', '--max-semi-space-size=1'];
/** What the chart gives it, and what has to be left of that, in MiB. */
const [limitMiB, spareMiB] = [320, 64];

const authority = await makeAuthority();
const containers = Array.from({ length: 500 }, (_, index) => ({ name: `c${index}` }));
const object = { metadata: { labels: { 'keyproxy.io/inject': 'true' } }, spec: { containers } };
const kind = { group: '', version: 'v1', kind: 'Pod' };
const large = requestOf({ uid: 'c0ffee00', kind, operation: 'CREATE', namespace: 'shop', object });
const small = requestOf({ uid: 'c0ffee01', kind, operation: 'CREATE', namespace: 'shop', object: {} });

let child: ChildProcess | undefined;
const sockets = new Set<TLSSocket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  if (child?.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit');
});

function requestOf(request: object): string {
  const body = JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
  return `POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

/** Connects, asks, and gives the first line of the answer, the rest of which is fetched. The connection stays. */
async function ask(port: number, request: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: authority.ca });
  sockets.add(socket);
  socket.on('error', () => {}).once('close', () => sockets.delete(socket));
  await once(socket, 'secureConnect');
  socket.write(request);
  const [first] = await once(socket, 'data');
  socket.resume();
  return String(first).split('\r\n', 1)[0] ?? '';
}

/** The most memory that a process has had, in MiB (proc(5)). */
async function mostMemory(pid: number | undefined): Promise<number> {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

it(`stays ${spareMiB} MiB below its limit, and answers about other pods`, async () => {
  await using folder = await temporaryFolder();
  const { cert, key } = await authority.issue();
  const at = (name: string) => join(folder.path, name);
  await Promise.all([writeFile(at('tls.crt'), cert), writeFile(at('tls.key'), key)]);
  const port = await freePort();
  await writeFile(
    at('injector.yaml'),
    [
      ...[`listen: 127.0.0.1:${port}`, `http: 127.0.0.1:${await freePort()}`],
      'sidecar: { image: keyproxy:test, native: always }',
      `certificates: { files: { certificate: ${at('tls.crt')}, key: ${at('tls.key')} } }`,
    ].join('\n'),
  );
  child = spawn(process.execPath, [...heap, testedProgram(), 'injector', '--config', at('injector.yaml')], {
    stdio: 'ignore',
  });
  await expect.poll(() => ask(port, small).catch(({ code }) => code), { timeout: 20_000 }).toMatch(/^HTTP\/1.1 200/);
  const before = await mostMemory(child.pid);

  let left = connections;
  const heard = new Map<string, number>();
  await Promise.all(
    Array.from({ length: atATime }, async () => {
      while (left-- > 0) {
        const line = await ask(port, large).catch(() => 'none');
        heard.set(line, (heard.get(line) ?? 0) + 1);
      }
    }),
  );
  for (let count = 0; count < 50; count++) expect(await ask(port, small)).toMatch(/^HTTP\/1.1 200/);
  const most = await mostMemory(child.pid);
  process.stdout.write(
    `the injector had ${before.toFixed(0)} MiB before the crowd, and ${most.toFixed(0)} at most; ` +
      `answers: ${[...heard].map(([line, count]) => `${count} ${line}`).join(', ')}\n`,
  );
  expect(heard.get('HTTP/1.1 200 OK')).toBeGreaterThan(50);
  expect(most).toBeLessThan(limitMiB - spareMiB);
}, 120_000);
