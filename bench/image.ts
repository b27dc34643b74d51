/**
 * What the image adds to its base and how it starts, measured on the image that the Dockerfile's own steps built:
 * docs/image.md has the figures. It takes Linux and root, as test/support/image/root.ts does.
 *
 *     node bench/image.ts [--runs N]      starts of each kind (default 15)
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { startAwsSimulator } from '../test/simulators/aws/server.ts';
import { awsTenant } from '../test/support/aws-tenant.ts';
import { connect } from '../test/support/client.ts';
import { type BuiltImage, buildImage, filesOf, type Layer } from '../test/support/image/build.ts';
import { whyNoRoots } from '../test/support/image/root.ts';
import { type ImageOptions, startImage } from '../test/support/image/start.ts';
import { median, memory, processorSeconds } from './machine.ts';

const run = promisify(execFile);
const tenantId = 'tenant_12345';
/** How long a daemon is left alone before its memory is read, in milliseconds. */
const idleMs = 3000;
const mebibyte = 1024 * 1024;

/** Size of a layer's files, and as an engine transfers it: a tar file, compressed. */
async function layerLine({ at, folder }: Layer): Promise<string> {
  const { stdout: bytes } = await run('du', ['--apparent-size', '--summarize', '--bytes', folder]);
  const pack = `tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$0" -c . | gzip -6 | wc -c`;
  const { stdout: packed } = await run('sh', ['-c', pack, folder]);
  const sizes = [Number.parseInt(bytes, 10), Number(packed)].map((size) => (size / mebibyte).toFixed(1));
  return `${at.padEnd(26)} ${String((await filesOf(folder)).length).padStart(5)} ${sizes.map((size) => size.padStart(8)).join(' ')}`;
}

interface Reading {
  readonly readyMs: number;
  readonly cpuMs: number;
  readonly rss: number;
  readonly pss: number;
}

/** One start, and its memory, idle after it has served its tenant. */
async function reading(image: BuiltImage, options: ImageOptions): Promise<Reading> {
  await using running = await startImage(image, options);
  const cpu = processorSeconds(running.pid) * 1000;
  using client = connect(running.socket);
  const request = { tenant_id: tenantId, encryption_context: { purpose: 'orders' } };
  const { ciphertext } = await client.call('Encrypt', { ...request, plaintext: Buffer.from('one record') });
  await client.call('Decrypt', { ...request, ciphertext });
  await sleep(idleMs);
  return { readyMs: running.readyMs, cpuMs: cpu, ...memory(running.pid) };
}

function readingLine(name: string, readings: readonly Reading[]): string {
  const of = (key: keyof Reading) => readings.map((one) => one[key]);
  const figures = [
    median(of('readyMs')),
    Math.min(...of('readyMs')),
    median(of('cpuMs')),
    median(of('rss')),
    median(of('pss')),
  ];
  return `${name.padEnd(26)} ${figures.map((figure) => figure.toFixed(0).padStart(9)).join(' ')}`;
}

const { values } = parseArgs({ options: { runs: { type: 'string', default: '15' } } });
if (whyNoRoots !== undefined) throw new Error(`this measurement ${whyNoRoots}`);
await using image = await buildImage();
console.log('layer                      files      MiB  gzipped');
for (const layer of image.layers) console.log(await layerLine(layer));

await using aws = await startAwsSimulator();
const config = await mkdtemp(join(tmpdir(), 'keyproxy-image-config-'));
try {
  await mkdir(join(config, 'tenants'));
  await writeFile(
    join(config, 'keyproxy.yaml'),
    `tenants: { directory: tenants }\ntrusted_endpoints: ["${aws.endpoint}"]\n`,
  );
  await writeFile(join(config, 'tenants/a.yaml'), awsTenant(aws, { id: tenantId, keyArn: aws.createKey().arn }));
  const { accessKeyId, secretAccessKey } = aws.platform;
  const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  const readings: Record<'compiled' | 'bare', Reading[]> = { compiled: [], bare: [] };
  for (let count = 0; count < Number(values.runs); count++) {
    // In turns, so that whatever else the machine does meets both.
    readings.compiled.push(await reading(image, { config, env }));
    readings.bare.push(await reading(image, { config, env, isBare: true }));
  }
  console.log('\nstart                      ready ms   fastest    cpu ms   RSS MiB   PSS MiB');
  console.log(readingLine('with compiled code', readings.compiled));
  console.log(readingLine('without', readings.bare));
} finally {
  await rm(config, { recursive: true, force: true });
}
