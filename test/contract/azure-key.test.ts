/** What is particular to a key of Azure: wraps that cost no call, what proves them, versions, and what a vault is asked. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import { SecretBytes } from '../../src/base/secret.ts';
import { openAzureKey } from '../../src/kms/azure/open.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import type { SimulatedKey } from '../simulators/azure/simulated-key.ts';
import { AzureWorld } from './azure-world.ts';
import { context, failureOf, never } from './calls.ts';

const request = { length: 32, context, signal: never };
const minute = 60_000;
const day = 24 * 60 * minute;

let world: AzureWorld;
beforeAll(async () => {
  world = await AzureWorld.start(minute);
});
afterAll(() => world[Symbol.asyncDispose]());

/** Calls to the vault about a key since the last time, without the challenges. */
function counting(key: SimulatedKey) {
  const count = () =>
    world.azure.calls.filter(
      (call) => call.service === 'vault' && call.key === key.name && call.operation !== 'challenge',
    );
  let seen = count().length;
  return () => {
    const fresh = count().slice(seen);
    seen += fresh.length;
    return fresh.map(({ operation }) => operation);
  };
}

async function generated(service: KeyService): Promise<EncryptedDataKey> {
  const { plaintext, entry } = await service.generate(request);
  plaintext[Symbol.dispose]();
  return entry;
}

async function opened(service: KeyService, entry: EncryptedDataKey): Promise<void> {
  (await service.unwrap({ entry, context, signal: never }))[Symbol.dispose]();
}

describe('an RSA key of Azure', () => {
  it('names the exact version in its entries, and wraps as anybody could who knows its public part', async () => {
    await using key = await world.openKey();
    const { entry } = await key.service.generate(request);
    expect(entry.providerId.toString()).toBe('azure-key-vault');
    expect(entry.providerInfo.toString()).toBe(key.owned.kid());
    expect(key.service.describe(entry)).toEqual({
      provider: 'azure_kv',
      keyId: key.owned.id,
      keyVersion: key.owned.version,
    });
    expect(entry.ciphertext).toHaveLength(256);
  });

  it('proves itself before the first data key, and then makes them without a call', async () => {
    await using key = await world.openKey();
    const calls = counting(key.owned);
    await Promise.all(Array.from({ length: 20 }, () => generated(key.service)));
    expect(calls()).toEqual(['getKey', 'unwrapKey']);
    for (let i = 0; i < 20; i++) await generated(key.service);
    expect(calls()).toEqual([]);
  });

  it('asks again when the last proof is too old, and not while unwraps of everyday traffic prove it', async () => {
    await using key = await world.openKey();
    const entry = await generated(key.service);
    const calls = counting(key.owned);
    for (let i = 0; i < 3; i++) {
      world.clock.skip(minute - 1_000);
      await opened(key.service, entry);
      await generated(key.service);
    }
    expect(calls()).toEqual(['unwrapKey', 'unwrapKey', 'unwrapKey']);
    world.clock.skip(minute);
    await generated(key.service);
    expect(calls()).toEqual(['getKey', 'unwrapKey']);
  });

  it('makes no data key any more once its owner has disabled it and the proof has ended', async () => {
    await using key = await world.openKey();
    await generated(key.service);
    key.owned.setEnabled(false);
    await generated(key.service);
    world.clock.skip(minute);
    const { fault } = await failureOf(key.service.generate(request));
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true });
    key.owned.setEnabled(true);
    await generated(key.service);
  });

  it('makes no data key any more, whatever the proof, once an unwrap has been refused', async () => {
    await using key = await world.openKey();
    const entry = await generated(key.service);
    key.owned.setEnabled(false);
    const refusal = { kind: 'refusal', reason: 'KEY_DISABLED' };
    expect((await failureOf(key.service.unwrap({ entry, context, signal: never }))).fault).toMatchObject(refusal);
    expect((await failureOf(key.service.generate(request))).fault).toMatchObject(refusal);
  });

  it('wraps with no permission to wrap, and opens with Azure’s own operation and algorithm', async () => {
    await using key = await world.openKey();
    await opened(key.service, await generated(key.service));
    const { calls } = world.azure;
    expect(calls.filter(({ key: name }) => name === key.owned.name).map(({ operation }) => operation)).not.toContain(
      'wrapKey',
    );
    expect(calls.findLast(({ key: name }) => name === key.owned.name)).toMatchObject({
      operation: 'unwrapKey',
      algorithm: 'RSA-OAEP-256',
      keyVersion: key.owned.version,
      clientId: world.application.clientId,
    });
  });

  it('does not open what was wrapped for another key under its own name', async () => {
    await using key = await world.openKey();
    await using other = await world.openKey();
    const entry = await generated(other.service);
    const taken = { ...entry, providerInfo: Buffer.from(key.owned.kid()) };
    expect((await failureOf(key.service.unwrap({ entry: taken, context, signal: never }))).fault).toEqual({
      kind: 'data',
    });
  });

  it('takes a plaintext that is too long for its modulus for a fault of the data', async () => {
    await using key = await world.openKey();
    using plaintext = SecretBytes.adopt(Buffer.alloc(256 - 66 + 1));
    const { fault } = await failureOf(key.service.wrap({ plaintext, context, signal: never }));
    expect(fault).toEqual({ kind: 'data' });
  });

  it('takes a key whose operations lack unwrapKey for unsuitable, and says what to change', async () => {
    const owned = world.azure.createKey({ kty: 'RSA', ops: ['encrypt', 'decrypt', 'wrapKey'] });
    world.azure.grant(world.application.objectId, owned.name, ['get', 'unwrapKey']);
    await using service = world.open(owned);
    const { fault, details } = await failureOf(service.generate(request));
    expect(fault).toEqual({ kind: 'config', reason: 'KEY_UNSUITABLE' });
    expect(details.advice).toContain("add unwrapKey to the key's permitted operations");
  });
});

describe('versions of a key of Azure', () => {
  it('follows a rotation as soon as it asks, and goes on opening what older versions wrapped', async () => {
    const owned = world.create();
    await using service = world.open(owned);
    const [old, first] = [await generated(service), owned.version];
    const second = owned.rotate();
    expect(service.describe(await generated(service)).keyVersion).toBe(first);
    world.clock.skip(minute);
    const fresh = await generated(service);
    expect(service.describe(fresh).keyVersion).toBe(second);
    await opened(service, old);
    await opened(service, fresh);
  });

  it('follows a rotation within five minutes, however much the old version is in use', async () => {
    const owned = world.create();
    await using service = world.open(owned);
    const old = await generated(service);
    const second = owned.rotate();
    for (let i = 0; i < 6; i++) {
      world.clock.skip(minute - 1_000);
      await opened(service, old);
    }
    expect(service.describe(await generated(service)).keyVersion).toBe(second);
  });

  it('takes no unwrap under an old version for a proof of the one that wraps', async () => {
    const owned = world.create();
    await using service = world.open(owned);
    const old = await generated(service);
    const second = owned.rotate();
    world.clock.skip(minute);
    await generated(service);
    owned.setEnabled(false, second);
    world.clock.skip(minute);
    await opened(service, old);
    expect((await failureOf(service.generate(request))).fault).toMatchObject({ reason: 'KEY_DISABLED', keyWide: true });
  });

  it('stays with a version that the file names', async () => {
    const owned = world.create();
    const pinned = owned.version;
    owned.rotate();
    await using service = world.open(owned, { keyVersion: pinned });
    expect(service.describe(await generated(service)).keyVersion).toBe(pinned);
    world.clock.skip(10 * minute);
    expect(service.describe(await generated(service)).keyVersion).toBe(pinned);
  });

  it('says that a version that the file names does not exist', async () => {
    const owned = world.create();
    await using service = world.open(owned, { keyVersion: '0'.repeat(32) });
    const { fault, details } = await failureOf(service.generate(request));
    expect(fault).toEqual({ kind: 'config', reason: 'KEY_NOT_FOUND' });
    expect(details.advice).toContain('key_version');
  });

  it('takes an entry of a version that never was for damaged, and asks for no version that is none', async () => {
    await using key = await world.openKey();
    const entry = await generated(key.service);
    const strange = { ...entry, providerInfo: Buffer.from(`${key.owned.id}/${'0'.repeat(32)}`) };
    expect(key.service.owns(strange)).toBe(true);
    const unwrap = (one: EncryptedDataKey) => key.service.unwrap({ entry: one, context, signal: never });
    expect((await failureOf(unwrap(strange))).fault).toEqual({ kind: 'data' });
    const calls = counting(key.owned);
    for (const version of [
      '0'.repeat(31),
      '0'.repeat(33),
      'A'.repeat(32),
      `../${'0'.repeat(29)}`,
      `${'0'.repeat(31)}/`,
    ]) {
      const forged = { ...entry, providerInfo: Buffer.from(`${key.owned.id}/${version}`) };
      expect(key.service.owns(forged)).toBe(false);
      expect((await failureOf(unwrap(forged))).fault).toEqual({ kind: 'data' });
    }
    expect(calls()).toEqual([]);
  });

  it('calls no vault for a ciphertext of a length that none makes', async () => {
    await using key = await world.openKey();
    const entry = await generated(key.service);
    const calls = counting(key.owned);
    for (const length of [0, 1, 31, 255, 257, 511, 6_145]) {
      const strange = { ...entry, ciphertext: Buffer.alloc(length, 1) };
      const { fault } = await failureOf(key.service.unwrap({ entry: strange, context, signal: never }));
      expect(fault).toEqual({ kind: 'data' });
    }
    expect(calls()).toEqual([]);
  });

  it('loses what an old version wrapped when that is disabled, and nothing else', async () => {
    const owned = world.create();
    await using service = world.open(owned, { proofMs: 0 });
    const [old, first] = [await generated(service), owned.version];
    owned.rotate();
    const fresh = await generated(service);
    owned.setEnabled(false, first);
    const { fault } = await failureOf(service.unwrap({ entry: old, context, signal: never }));
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_DISABLED', keyWide: false });
    await opened(service, fresh);
  });

  it('opens entries of many versions at a time with a few clients', async () => {
    const owned = world.create();
    await using service = world.open(owned, { proofMs: 0 });
    const entries = [await generated(service)];
    for (let i = 0; i < 5; i++) {
      owned.rotate();
      entries.push(await generated(service));
    }
    await Promise.all([...entries, ...entries].map((entry) => opened(service, entry)));
  });

  it('opens what an expired version wrapped, which Azure allows', async () => {
    await using key = await world.openKey();
    const entry = await generated(key.service);
    key.owned.setTimes({ exp: Date.now() - day });
    await opened(key.service, entry);
  });
});

describe('the first calls of a key of Azure', () => {
  it('arrive whole, many at a time', async () => {
    await using key = await world.openKey();
    const entry = await generated(key.service);
    for (let i = 0; i < 5; i++) {
      await using reader = world.open(key.owned);
      await Promise.all(Array.from({ length: 16 }, () => opened(reader, entry)));
    }
  });

  it('are not held up by one that is given up', async () => {
    await using key = await world.openKey();
    const entry = await generated(key.service);
    await using reader = world.open(key.owned);
    world.azure.faults.add({
      service: 'vault',
      operation: 'challenge',
      key: key.owned.name,
      fault: { kind: 'hang' },
      times: 1,
    });
    const given = reader.unwrap({ entry, context, signal: AbortSignal.timeout(50) });
    const other = opened(reader, entry);
    expect((await failureOf(given)).fault.kind).toBe('outage');
    await other;
  });
});

describe('an AES key of a managed HSM', () => {
  it('wraps and unwraps there, and says which permission it needs', async () => {
    await using key = await world.openKey({ kind: 'OCT_HSM' });
    const entry = await generated(key.service);
    expect(entry.ciphertext).toHaveLength(40);
    expect(world.azure.calls.findLast((call) => call.key === key.owned.name)).toMatchObject({
      operation: 'wrapKey',
      algorithm: 'A256KW',
    });
    world.azure.grant(world.application.objectId, key.owned.name, ['get', 'unwrapKey']);
    const { fault, details } = await failureOf(key.service.generate(request));
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false });
    expect(details.advice).toContain('wrapKey');
    await opened(key.service, entry);
  });

  it('makes nothing under a disabled key, although Azure would wrap', async () => {
    await using key = await world.openKey({ kind: 'OCT_HSM' });
    await generated(key.service);
    key.owned.setEnabled(false);
    world.clock.skip(minute);
    expect((await failureOf(key.service.generate(request))).fault).toMatchObject({ reason: 'KEY_DISABLED' });
  });

  it('takes an AES key of another size for unsuitable', async () => {
    const owned = world.azure.createKey({ kty: 'oct-HSM', size: 128 });
    world.azure.grant(world.application.objectId, owned.name, ['get', 'wrapKey', 'unwrapKey']);
    await using service = world.open(owned);
    expect((await failureOf(service.generate(request))).fault).toEqual({ kind: 'config', reason: 'KEY_UNSUITABLE' });
  });
});

describe('what an Azure vault asks for', () => {
  const open = (owned: SimulatedKey, isTrusted: boolean, ca: string | undefined = world.azure.ca) => {
    const config = { provider: 'azure_kv', vaultUrl: world.azure.vaultUrl, keyName: owned.name } as const;
    return openAzureKey(
      { ...config, ...world.secretIdentity() },
      {
        clock: world.clock,
        timeoutMs: 5_000,
        proofMs: 0,
        isTrusted,
        credentials: world.credentials,
        ...(ca && { ca }),
      },
    );
  };

  it('gets no token where it is for another host and the vault is not trusted to', async () => {
    await using service = open(world.create('EC_P256'), false);
    const logins = world.azure.count('token');
    const { fault, details } = await failureOf(service.generate(request));
    expect(fault).toEqual({ kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' });
    expect(details).toMatchObject({ providerCode: 'ForeignChallenge', advice: expect.stringContaining('vault_url') });
    expect(world.azure.count('token')).toBe(logins);
  });

  it('goes to no vault whose certificate is not trusted, which is an outage with a next step', async () => {
    await using service = open(world.create('EC_P256'), true, '');
    const { fault, details } = await failureOf(service.generate(request));
    expect(fault).toEqual({ kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' });
    expect(details.advice).toContain('certificate');
  });

  it('names code and request of its own log, and nothing of its text', async () => {
    await using key = await world.openKey();
    const entry = await generated(key.service);
    key.owned.setEnabled(false);
    const { details, message } = await failureOf(key.service.unwrap({ entry, context, signal: never }));
    key.owned.setEnabled(true);
    const answer = world.azure.calls.findLast((call) => call.outcome === 'KeyDisabled' && call.key === key.owned.name);
    expect(details).toMatchObject({
      providerCode: 'KeyDisabled',
      requestId: answer?.requestId,
      operation: 'unwrapKey',
    });
    expect(message).not.toContain('not allowed');
  });
});

describe('a look at a key of Azure', () => {
  const inspected = async (owned: SimulatedKey) => {
    await using service = world.open(owned);
    const findings = (await service.inspect?.({ context, signal: never })) ?? [];
    return findings.map(
      ({ verdict, step, advice }) => `${verdict}: ${step}${advice === undefined ? '' : ` (${advice})`}`,
    );
  };

  it('finds nothing to say about a key of an HSM with 3072 bits', async () => {
    const owned = world.azure.createKey({ kty: 'RSA-HSM', size: 3072 });
    world.azure.grant(world.application.objectId, owned.name, ['get', 'unwrapKey']);
    const findings = await inspected(owned);
    expect(findings).toHaveLength(4);
    for (const finding of findings) expect(finding).toMatch(/^ok: /);
    expect(findings.join('\n')).toContain(`version ${owned.version} is an RSA key of 3072 bits`);
  });

  it('warns of a short key, one in software, and one that ends soon', async () => {
    const owned = world.create();
    owned.setTimes({ exp: world.clock.now() + 10.5 * day });
    const warnings = (await inspected(owned)).filter((finding) => finding.startsWith('warning'));
    expect(warnings).toEqual([
      expect.stringContaining('3072 bits'),
      expect.stringContaining('held in software'),
      expect.stringContaining('it expires in 10 days'),
    ]);
  });

  it.each([
    ['a disabled key', (key: SimulatedKey) => key.setEnabled(false), 'enable it'],
    ['an expired key', (key: SimulatedKey) => key.setTimes({ exp: 0 }), 'dates'],
    ['a deleted key', (key: SimulatedKey) => key.delete(), 'recover it'],
  ])('fails for %s, with the next step', async (_, change, advice) => {
    const owned = world.create();
    change(owned);
    expect((await inspected(owned)).filter((finding) => finding.startsWith('failed'))).toEqual([
      expect.stringContaining(advice),
    ]);
  });

  it('fails for a key that cannot wrap, and one that may not be read', async () => {
    expect(await inspected(world.create('EC_HSM'))).toEqual([expect.stringMatching(/^failed: .*RSA-HSM/)]);
    const owned = world.azure.createKey();
    expect(await inspected(owned)).toEqual([expect.stringMatching(/^failed: .*permission get.*\(grant/)]);
  });
});
