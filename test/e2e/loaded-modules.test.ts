/** A daemon reads the code of those providers that its tenants use, and of no other. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startAwsSimulator } from '../simulators/aws/server.ts';
import { awsFolder, startAwsDaemon } from '../support/aws-tenant.ts';
import { connect } from '../support/client.ts';
import { startDaemon } from '../support/daemon.ts';
import { daemonFolder, localTenant, otherTransport } from '../support/daemon-folder.ts';
import { loadedModules, recordModules } from '../support/loaded-modules.ts';
import { sourceProgram } from '../support/tested-program.ts';

/** Provider → what only its own code and its libraries' are called. */
const homes: Readonly<Record<string, RegExp>> = {
  aws: /\/src\/kms\/aws\/|\/node_modules\/@(?:aws-sdk|aws|smithy)\//,
  azure: /\/src\/kms\/azure\/|\/node_modules\/@(?:azure|azure-rest|typespec)\//,
  gcp: /\/src\/kms\/gcp\/|\/node_modules\/(?:@google-cloud|google-gax|google-auth-library|gaxios|gcp-metadata|gtoken)\//,
  vault: /\/src\/kms\/vault\//,
};

/** The providers of whom any module was loaded. */
function providersAmong(modules: readonly string[]): string[] {
  return Object.keys(homes).filter((provider) => modules.some((url) => homes[provider]?.test(url)));
}

/** What a daemon needs whose calls are traced. OpenTelemetry’s interfaces come with prom-client. */
const tracingCode = /\/src\/telemetry\/(?:tracing|span-[a-z-]+)\.ts$|\/node_modules\/@opentelemetry\/(?!api\/)/;

/** Modules have their names in the source alone, and the look at them is Node's option. */
const modular = { program: sourceProgram, hardening: 'none' } as const;

const request = { encryption_context: { purpose: 'orders' }, plaintext: Buffer.from('x') };

describe('a daemon that has served a tenant', () => {
  test('of AWS alone has loaded the AWS provider and no other', async () => {
    await using aws = await startAwsSimulator();
    await using folder = await awsFolder(aws, [{ id: 'acme', keyArn: aws.createKey().arn }]);
    const records = join(folder.path, 'modules');
    await mkdir(records);
    await using daemon = await startAwsDaemon(aws, folder, recordModules(records), modular);
    using client = connect(daemon.socket);
    await client.call('Encrypt', { ...request, tenant_id: 'acme' });
    expect(await daemon.stop()).toBe(0);
    const modules = await loadedModules(records);
    expect(modules.length).toBeGreaterThan(100);
    expect(providersAmong(modules)).toEqual(['aws']);
    expect(modules.filter((url) => tracingCode.test(url))).toEqual([]);
  });

  test.skipIf(otherTransport !== undefined)(
    'with a key in a file has loaded no vendor’s code (skipped on another transport than the default)',
    async () => {
      const modules = await loadedBy('');
      expect(providersAmong(modules)).toEqual([]);
      const others = /\/node_modules\/(?:koffi|@koromix|@grpc)\//;
      expect(modules.filter((url) => others.test(url) || tracingCode.test(url))).toEqual([]);
    },
  );

  test.each([
    ['transport: grpc-js', /\/node_modules\/@grpc\/grpc-js\//, /\/node_modules\/koffi\//],
    ['transport: native, peer_credentials: true', /\/node_modules\/koffi\//, /\/src\/kms\/aws\//],
  ])('by a listener with %s has loaded what that needs', async (setting, wanted, unwanted) => {
    const modules = await loadedBy(setting);
    expect(modules.some((url) => wanted.test(url))).toBe(true);
    expect(modules.filter((url) => unwanted.test(url))).toEqual([]);
  });
});

test('a daemon whose calls are traced has loaded what that needs', async () => {
  // Nothing listens there, which is no matter.
  const modules = await loadedBy('', 'tracing: { endpoint: "http://127.0.0.1:9/v1/traces", sample_ratio: 1 }');
  expect(modules.some((url) => url.endsWith('/src/telemetry/tracing.ts'))).toBe(true);
  expect(modules.some((url) => url.includes('/node_modules/@opentelemetry/sdk-trace/'))).toBe(true);
});

/**
 * What a daemon has loaded that served a tenant with a key in a file; its Unix listener has these settings, and its file
 * has `more`.
 */
async function loadedBy(listener: string, more = ''): Promise<readonly string[]> {
  await using folder = await daemonFolder({
    ...{ listener, extra: `allow_local: true\n${more}` },
    tenants: { 'acme.yaml': localTenant('acme') },
  });
  const records = join(folder.path, 'modules');
  await mkdir(records);
  await using daemon = await startDaemon({ ...folder.start, env: recordModules(records), ...modular });
  using client = connect(daemon.socket);
  await client.call('Encrypt', { ...request, tenant_id: 'acme' });
  expect(await daemon.stop()).toBe(0);
  return await loadedModules(records);
}
