/** What is particular to a key of Azure: wraps that cost no call, what proves them, and what a vault is asked. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SecretBytes } from '../../src/base/secret.ts';
import { CircuitBreaker, withBreaker } from '../../src/kms/circuit-breaker.ts';
import { observed } from '../../src/kms/observed.ts';
import { generated, minute, opened, request } from './azure-calls.ts';
import { AzureWorld } from './azure-world.ts';
import { context, failureOf, never } from './calls.ts';

let world: AzureWorld;
beforeAll(async () => {
  world = await AzureWorld.start(minute);
});
afterAll(() => world[Symbol.asyncDispose]());

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
    const calls = world.counting(key.owned);
    await Promise.all(Array.from({ length: 20 }, () => generated(key.service)));
    expect(calls()).toEqual(['getKey', 'unwrapKey']);
    for (let i = 0; i < 20; i++) await generated(key.service);
    expect(calls()).toEqual([]);
  });

  it('asks again when the last proof is too old, and not while unwraps of everyday traffic prove it', async () => {
    await using key = await world.openKey();
    const entry = await generated(key.service);
    const calls = world.counting(key.owned);
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
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_DISABLED', keyWide: false });
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

describe('the first calls of a key of Azure', () => {
  it('arrive whole, many at a time', async () => {
    await using key = await world.openKey();
    const entry = await generated(key.service);
    await using reader = world.open(key.owned);
    const rule = { service: 'vault', operation: 'challenge', key: key.owned.name, times: 1 } as const;
    // The one whose body the library holds back learns last what it has to ask for.
    world.azure.faults.add({ ...rule, fault: { kind: 'latency', ms: 100 } });
    await Promise.all(Array.from({ length: 16 }, () => opened(reader, entry)));
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

describe('a key of Azure, observed', () => {
  it('reports the calls that its vault answered, and no wrap that cost none', async () => {
    const owned = world.create();
    await using bare = world.open(owned, { proofMs: minute });
    const reported: string[] = [];
    const service = observed(bare, world.clock, ({ operation, outcome }) => reported.push(`${operation} ${outcome}`));
    const entry = await generated(service);
    await generated(service);
    await opened(service, entry);
    expect(reported).toEqual(['generate ok', 'unwrap ok']);
  });
});

describe('a key of Azure behind a circuit breaker', () => {
  it('opens it by unwraps that get no answer, whatever is wrapped here meanwhile', async () => {
    const owned = world.create();
    await using bare = world.open(owned, { proofMs: minute });
    const guarded = withBreaker(bare, new CircuitBreaker({ clock: world.clock, random: () => 0 }));
    const entry = await generated(guarded);
    world.azure.faults.add({ service: 'vault', key: owned.name, fault: { kind: 'reset' } });
    const asked = () => world.azure.count('unwrapKey', { key: owned.name });
    const before = asked();
    for (let i = 0; i < 8; i++) {
      await failureOf(guarded.unwrap({ entry, context, signal: never }));
      await guarded.generate(request).catch(() => undefined);
    }
    world.azure.faults.clear();
    expect(asked() - before).toBe(5);
  });
});
