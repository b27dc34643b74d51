import { execFile } from 'node:child_process';
import { mkdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Metafile } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildKeyproxy } from '../../build.ts';
import { version } from '../../src/app/version.ts';
import { connect } from '../support/client.ts';
import { startDaemon, temporaryFolder } from '../support/daemon.ts';
import { startCollector } from '../support/otlp-collector.ts';

/**
 * Packages that only those who use their provider, or traces, may have to read. OpenTelemetry's interfaces come with
 * prom-client.
 */
const vendors =
  /node_modules\/(?:@(?:aws-sdk|aws-crypto|smithy|aws|azure|azure-rest|typespec|google-cloud)|google-gax|google-auth-library|@opentelemetry\/(?!api\/)[a-z-]+)\//;
const root = resolve(import.meta.dirname, '../..');

/** Every output that the one with this entry point loads at once, itself included. */
function loadedWith(metafile: Metafile, entryPoint: string): string[] {
  const start = Object.keys(metafile.outputs).find((name) => metafile.outputs[name]?.entryPoint === entryPoint);
  const found = new Set(start === undefined ? [] : [start]);
  for (const name of found) {
    for (const { path, kind } of metafile.outputs[name]?.imports ?? []) {
      if (kind === 'import-statement' && path in metafile.outputs) found.add(path);
    }
  }
  return [...found];
}

/** Source files of a vendor that went into these outputs. */
function vendorInputs(metafile: Metafile, outputs: readonly string[]): string[] {
  return outputs
    .flatMap((name) => Object.keys(metafile.outputs[name]?.inputs ?? {}))
    .filter((name) => vendors.test(name));
}

describe('the built program', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let metafile: Metafile;
  let program: string;

  beforeAll(async () => {
    folder = await temporaryFolder();
    const dist = join(folder.path, 'dist');
    await mkdir(dist);
    metafile = await buildKeyproxy(dist);
    program = join(dist, 'keyproxy.js');
  });

  afterAll(() => folder[Symbol.asyncDispose]());

  test.each(['src/main.ts', 'src/cli/serve.ts', 'src/app/run-data-plane.ts', 'src/cli/validate.ts'])(
    'reads no code of a vendor for %s before somebody needs it',
    (entryPoint) => {
      const outputs = loadedWith(metafile, entryPoint);
      expect(outputs.length).toBeGreaterThan(0);
      expect(vendorInputs(metafile, outputs)).toEqual([]);
    },
  );

  test.each([
    ['aws', '@aws-sdk/client-kms/'],
    ['azure', '@azure/keyvault-keys/'],
    ['gcp', '@google-cloud/kms/'],
  ])('has the SDK of %s in chunks that are loaded for that provider', (provider, sdk) => {
    const outputs = loadedWith(metafile, `src/kms/${provider}/open.ts`);
    expect(vendorInputs(metafile, outputs).some((name) => name.includes(sdk))).toBe(true);
    expect(outputs.map((name) => basename(name))).not.toContain('keyproxy.js');
  });

  test('has what traces need in chunks that are loaded for them', () => {
    const outputs = loadedWith(metafile, 'src/telemetry/tracing.ts');
    expect(vendorInputs(metafile, outputs).some((name) => name.includes('@opentelemetry/sdk-trace/'))).toBe(true);
  });

  test.each(['aws', 'azure', 'gcp', 'vault', 'local'])('can load its code for %s', async (provider) => {
    const entryPoint = `src/kms/${provider}/open.ts`;
    const chunk = Object.keys(metafile.outputs).find((name) => metafile.outputs[name]?.entryPoint === entryPoint);
    const show = `import(${JSON.stringify(resolve(root, chunk ?? ''))}).then((all) => console.log(Object.keys(all).join()))`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--eval', show], { cwd: folder.path });
    expect(stdout).toMatch(/open\w+Key\b/);
  });

  test('can be run by its name and tells its version without a checkout around it', async () => {
    expect((await stat(program)).mode & 0o111).toBe(0o111);
    const { stdout } = await promisify(execFile)(process.execPath, [program, '--version'], { cwd: folder.path });
    expect(stdout).toBe(`keyproxy ${version}\n`);
  });

  test('serves a round trip in development mode, and can trace it', async () => {
    await using collector = await startCollector();
    const env = { KEYPROXY_TRACING_ENDPOINT: collector.endpoint, KEYPROXY_TRACING_SAMPLE_RATIO: '1' };
    await using daemon = await startDaemon({ program, env, hardening: 'by itself' });
    using client = connect(daemon.socket);
    const plaintext = Buffer.from('{"order":17}');
    const request = { tenant_id: 'demo', encryption_context: { purpose: 'orders' } };
    const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', { ...request, plaintext });
    const opened = await client.call<{ plaintext: Buffer }>('Decrypt', { ...request, ciphertext });
    expect(opened.plaintext).toEqual(plaintext);
    expect(await daemon.stop()).toBe(0);
    const served = collector.spans.filter(({ kind }) => kind === 'server').map(({ name }) => name);
    expect(served).toEqual(['keyproxy.v1.KeyProxy/Encrypt', 'keyproxy.v1.KeyProxy/Decrypt']);
  });
});
