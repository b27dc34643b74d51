/** Tenants behind a segregation matrix: what their calls meet, and that nothing of it outlives them. */
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KeyServices } from '../../../src/app/key-services.ts';
import { TenantSet } from '../../../src/app/tenants.ts';
import { parseTenantId } from '../../../src/base/ids.ts';
import { parseTenantFile, type TenantConfig } from '../../../src/config/tenant-file.ts';
import { createLocalKeyFile } from '../../../src/kms/local/key-file.ts';
import type { Segregation } from '../../../src/kms/segregation.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { FakeEngine, rejection } from '../../support/fake-engine.ts';

const a = parseTenantId('a');
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
  await createLocalKeyFile(join(folder.path, 'cmk.key'));
});
afterEach(() => folder[Symbol.asyncDispose]());

const row = { requiredTags: new Map<string, string>(), approvalRequired: false };
const segregation: Segregation = new Map([['production', { keyPrefix: 'prod-', ...row }]]);

/** A tenant whose current key and retired key have these names; `more` goes to the end of its file. */
function tenant(current: string, { retired = 'old', more = '' } = {}): TenantConfig {
  const block = (name: string) => `{ key_name: ${name}, key_file: ${join(folder.path, 'cmk.key')} }`;
  const text = `
customer: c
tenant_id: a
encryption:
  provider: local
  local: ${block(current)}
  retired: [{ provider: local, local: ${block(retired)} }]
${more}`;
  const options = { allowLocal: true, trustedEndpoints: [] };
  const { config, problems } = parseTenantFile(text, join(folder.path, 'a.yaml'), options);
  expect(problems).toEqual([]);
  if (config === undefined) throw new Error('the file was not taken');
  return config;
}

function world() {
  const engine = new FakeEngine();
  const { clock, registry, cache } = engine;
  const told: string[] = [];
  const tenants = new TenantSet({
    ...{ registry, cache, clock, segregation, environment: 'production', random: () => 0.5, known: [] },
    services: new KeyServices({ clock, authorities: {}, trustedEndpoints: [] }),
    onKeyChange() {},
    onCircuit() {},
    onKmsCall() {},
    onChange() {},
    onSegregation: ({ tenant, key, provider }, problem) => told.push(`${tenant} ${key} ${provider} ${problem}`),
  });
  return { engine, tenants, told, clock };
}

it('A tenant whose key has the name that its environment wants is served, its retired key has any', async () => {
  const { engine, tenants, told } = world();
  tenants.put(tenant('prod-orders'));
  await engine.encrypt('a', 'x');
  expect(told).toEqual([]);
});

it('A tenant with a key of another name is refused, and whoever watches is told once', async () => {
  const { engine, tenants, told } = world();
  tenants.put(tenant('orders'));
  const problem =
    'the current key: a key in production has to have a name that begins with prod-, and this one has orders';
  for (const text of ['x', 'y']) {
    const error = await rejection(engine.encrypt('a', text));
    expect(error.reason).toBe('KEY_OUTSIDE_SEGREGATION');
    expect(error.message).toContain(problem);
  }
  expect(told).toEqual([`a current local ${problem}`]);
});

it('A tenant whose environment has no row is refused, and keeps what is cached for when it has one', async () => {
  const { engine, tenants } = world();
  tenants.put(tenant('prod-orders'));
  const { ciphertext } = await engine.encrypt('a', 'x');
  tenants.put(tenant('prod-orders', { more: 'environment: elsewhere' }));
  for (const call of [engine.encrypt('a', 'x'), engine.decrypt('a', ciphertext)]) {
    expect((await rejection(call)).message).toMatch(/no row for the environment elsewhere, but for production;/);
  }
  tenants.put(tenant('prod-orders'));
  expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
  expect(engine.evictions).toEqual([]);
});

it('A tenant that goes leaves no question behind', async () => {
  const { engine, tenants, clock } = world();
  const before = clock.timers;
  tenants.put(tenant('prod-orders'));
  await engine.encrypt('a', 'x');
  const serving = clock.timers;
  tenants.remove(a);
  clock.advance(60_000);
  await expect.poll(() => clock.timers).toBe(before);
  expect(serving).toBeGreaterThan(before);
});
