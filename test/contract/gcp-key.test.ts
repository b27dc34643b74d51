/** What is particular to a key of Cloud KMS: versions, what is learned of it, what an HSM takes, what goes over the wire. */
import { describe, expect, it } from 'vitest';
import { EncryptionContext } from '../../src/base/encryption-context.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { withRetries } from '../../src/kms/retry.ts';
import { context, failureOf, never } from './calls.ts';
import { GcpWorld } from './gcp-world.ts';

const request = { length: 32, context, signal: never };
const viewer = 'roles/cloudkms.viewer';

/** Requires that an entry opens to what was wrapped. */
async function expectOpens(service: KeyService, { entry, plaintext }: Awaited<ReturnType<KeyService['generate']>>) {
  using unwrapped = await service.unwrap({ entry, context, signal: never });
  expect(unwrapped.reveal()).toEqual(plaintext.reveal());
}

describe('a symmetric key of Cloud KMS', () => {
  it('names the version that Google took, in the entry and to callers', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    const first = await key.service.generate(request);
    key.owned.rotate();
    const second = await key.service.generate(request);
    expect(first.entry.providerId.toString()).toBe('gcp-kms');
    expect([first, second].map(({ entry }) => entry.providerInfo.toString())).toEqual([
      `${key.owned.name}/cryptoKeyVersions/1`,
      `${key.owned.name}/cryptoKeyVersions/2`,
    ]);
    expect(key.service.describe(second.entry).keyVersion).toBe('2');
    for (const made of [first, second]) await expectOpens(key.service, made);
  });

  it('is asked for what it is once, by any number of calls', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    await Promise.all(Array.from({ length: 10 }, () => key.service.generate(request)));
    expect(world.gcp.count('GetCryptoKey')).toBe(1);
  });

  it('wraps under the configured version, whichever the primary is, and reads all', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    const old = await key.service.generate(request);
    key.owned.rotate();
    await using pinned = world.open(key.owned, { keyVersion: '1' });
    const made = await pinned.generate(request);
    expect(pinned.describe(made.entry).keyVersion).toBe('1');
    for (const each of [old, made, await key.service.generate(request)]) await expectOpens(pinned, each);
  });

  it('works with the right to use it alone', async () => {
    await using world = await GcpWorld.start();
    const owned = world.gcp.createKey();
    world.gcp.grant(world.account.email, owned.name, 'roles/cloudkms.cryptoKeyEncrypterDecrypter');
    await using service = world.open(owned);
    await expectOpens(service, await service.generate(request));
  });

  it('under a version that is not the current one refuses that entry alone', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    const { entry } = await key.service.generate(request);
    key.owned.rotate();
    await key.service.generate(request);
    key.owned.disable(1);
    const { fault } = await failureOf(key.service.unwrap({ entry, context, signal: never }));
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_DISABLED', keyWide: false });
    await key.service.generate(request);
  });

  it('under a version that was replaced unseen refuses that entry alone', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    const { entry } = await key.service.generate(request);
    key.owned.rotate();
    key.owned.disable(1);
    const { fault } = await failureOf(key.service.unwrap({ entry, context, signal: never }));
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_DISABLED', keyWide: false });
  });

  it('that lost the permission for a while is used again as soon as it is back', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    const made = await key.service.generate(request);
    world.gcp.revoke(world.account.email, key.owned.name);
    const { fault, details } = await failureOf(key.service.unwrap({ entry: made.entry, context, signal: never }));
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: true });
    expect(details).toMatchObject({
      operation: 'Decrypt',
      providerCode: 'PERMISSION_DENIED/IAM_PERMISSION_DENIED',
      advice: expect.stringContaining('roles/cloudkms.cryptoKeyEncrypterDecrypter'),
    });
    world.gcp.grant(world.account.email, key.owned.name, 'roles/cloudkms.cryptoKeyDecrypter');
    await expectOpens(key.service, made);
  });

  it.each(['HSM_SYMMETRIC', 'SYMMETRIC'])('of kind %s says no to a context that it cannot hold', async (kind) => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey({ kind });
    const { entry } = await key.service.generate(request);
    const long = EncryptionContext.of([['k', 'x'.repeat(8_170)]]);
    const calls = world.gcp.calls.length;
    const made = key.service.generate({ ...request, context: long });
    if (kind === 'SYMMETRIC') return void (await made);
    const { fault, details } = await failureOf(made);
    expect(fault).toEqual({ kind: 'config', reason: 'CONTEXT_INVALID' });
    expect(details.advice).toContain('8192 bytes');
    const longer = EncryptionContext.of([['k', 'x'.repeat(8_193)]]);
    expect((await failureOf(key.service.unwrap({ entry, context: longer, signal: never }))).fault.kind).toBe('data');
    expect(world.gcp.calls.length).toBe(calls);
  });

  it('asks nobody about a ciphertext that no key can have made', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    const { entry } = await key.service.generate(request);
    for (const ciphertext of [Buffer.alloc(0), Buffer.alloc(65_537)]) {
      const call = key.service.unwrap({ entry: { ...entry, ciphertext }, context, signal: never });
      expect((await failureOf(call)).fault).toEqual({ kind: 'data' });
    }
    expect(world.gcp.count('Decrypt')).toBe(0);
  });
});

describe('an RSA key of Cloud KMS', () => {
  const rsa = { kind: 'RSA_2048' };

  it('wraps without a call once it is proven', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey(rsa);
    const made = await key.service.generate(request);
    const calls = world.gcp.calls.length;
    const others = await Promise.all(Array.from({ length: 5 }, () => key.service.generate(request)));
    expect(world.gcp.calls.length).toBe(calls);
    for (const each of [made, ...others]) await expectOpens(key.service, each);
    expect(made.entry.providerInfo.toString()).toBe(key.owned.versionName());
    expect(made.entry.ciphertext).toHaveLength(256);
  });

  it('wraps nothing once a proof is due and the customer has said no', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey({ ...rsa, proofMs: 60_000 });
    await key.service.generate(request);
    key.owned.disable();
    await key.service.generate(request);
    world.clock.skip(60_000);
    const { fault } = await failureOf(key.service.generate(request));
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true });
    key.owned.enable();
    await key.service.generate(request);
  });

  it('wraps nothing after a refused unwrap, due or not', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey(rsa);
    const { entry } = await key.service.generate(request);
    key.owned.disable();
    const refused = await failureOf(key.service.unwrap({ entry, context, signal: never }));
    expect(refused.fault).toMatchObject({ kind: 'refusal', keyWide: true });
    expect((await failureOf(key.service.generate(request))).fault.kind).toBe('refusal');
    key.owned.enable();
  });

  it('whose newest version was refused goes under the one before, once that is proven', async () => {
    await using world = await GcpWorld.start();
    const owned = world.createKey('RSA_2048');
    owned.rotate();
    await using service = world.open(owned);
    const { entry } = await service.generate(request);
    owned.disable(2);
    const { fault } = await failureOf(service.unwrap({ entry, context, signal: never }));
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_DISABLED', keyWide: false });
    const proofs = world.gcp.count('AsymmetricDecrypt', { outcome: 'ok' });
    const made = await service.generate(request);
    expect(service.describe(made.entry).keyVersion).toBe('1');
    expect(world.gcp.count('AsymmetricDecrypt', { outcome: 'ok' })).toBe(proofs + 1);
  });

  it('takes a new version into use when a proof is next due, and reads the old one', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey({ ...rsa, proofMs: 60_000 });
    const old = await key.service.generate(request);
    const number = key.owned.rotate();
    expect(key.service.describe((await key.service.generate(request)).entry).keyVersion).toBe(
      key.service.describe(old.entry).keyVersion,
    );
    world.clock.skip(60_000);
    const made = await key.service.generate(request);
    expect(key.service.describe(made.entry).keyVersion).toBe(String(number));
    for (const each of [old, made]) await expectOpens(key.service, each);
  });

  it('follows a rotation within five minutes, however much the old version is in use', async () => {
    await using world = await GcpWorld.start({ steered: true });
    await using key = await world.openKey({ ...rsa, proofMs: 60_000 });
    const old = await key.service.generate(request);
    const number = key.owned.rotate();
    for (let i = 0; i < 6; i++) {
      world.clock.skip(59_000);
      await expectOpens(key.service, old);
    }
    const { entry } = await key.service.generate(request);
    expect(key.service.describe(entry).keyVersion).toBe(String(number));
  });

  it('is misconfigured where its service does not open what its own public key wraps', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey(rsa);
    const fault = { kind: 'error', code: 'INVALID_ARGUMENT', status: 0 } as const;
    world.gcp.faults.add({ operation: 'AsymmetricDecrypt', fault });
    const failure = await failureOf(key.service.generate(request));
    expect(failure.fault).toEqual({ kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' });
    expect(failure.details.advice).toContain('public key');
  });

  it('finds the newest of more versions than fit on a page, and none that is disabled', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey(rsa);
    // A pair is only made where a version is used.
    let newest = 0;
    for (let i = 0; i < 1_005; i++) newest = key.owned.rotate();
    key.owned.disable(newest);
    const { entry } = await key.service.generate(request);
    expect(key.service.describe(entry).keyVersion).toBe(String(newest - 1));
  });

  it('with the configured version needs no look at the key', async () => {
    await using world = await GcpWorld.start();
    const owned = world.createKey('RSA_2048');
    world.gcp.revoke(world.account.email, owned.name, viewer);
    await using service = world.open(owned, { keyVersion: '1' });
    await expectOpens(service, await service.generate(request));
    expect(world.gcp.count('ListCryptoKeyVersions')).toBe(0);
  });

  it('whose current version lost its decrypt permission gives no data key', async () => {
    await using world = await GcpWorld.start();
    const owned = world.createKey('RSA_2048');
    world.gcp.revoke(world.account.email, owned.name, 'cloudkms.cryptoKeyVersions.useToDecrypt');
    await using service = world.open(owned);
    const { fault } = await failureOf(service.generate(request));
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: true });
  });

  it('takes an entry of a version that never was for a fault of the data', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey(rsa);
    const { entry } = await key.service.generate(request);
    const providerInfo = Buffer.from(`${key.owned.name}/cryptoKeyVersions/999999`);
    const call = key.service.unwrap({ entry: { ...entry, providerInfo }, context, signal: never });
    expect((await failureOf(call)).fault).toEqual({ kind: 'data' });
  });

  it.each([0, 32, 255, 257, 512 + 1])('asks nobody about a ciphertext of %i bytes', async (length) => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey(rsa);
    const { entry } = await key.service.generate(request);
    const calls = world.gcp.count('AsymmetricDecrypt');
    const ciphertext = Buffer.alloc(length, 1);
    const call = key.service.unwrap({ entry: { ...entry, ciphertext }, context, signal: never });
    expect((await failureOf(call)).fault).toEqual({ kind: 'data' });
    expect(world.gcp.count('AsymmetricDecrypt')).toBe(calls);
  });
});

describe('the version in an entry’s name', () => {
  it.each(['0', '01', '1x', '-1', '', '12345678901', '1/../2', '１'])(
    'is not taken where it is %j',
    async (version) => {
      await using world = await GcpWorld.start();
      await using key = await world.openKey();
      const { entry } = await key.service.generate(request);
      const providerInfo = Buffer.from(`${key.owned.name}/cryptoKeyVersions/${version}`);
      expect(key.service.owns({ ...entry, providerInfo })).toBe(false);
    },
  );
});

describe('a key of Cloud KMS with retries', () => {
  it.each([
    { name: 'throttling', fault: { kind: 'throttle' } as const },
    { name: 'a reset connection', fault: { kind: 'reset' } as const },
    { name: 'a page of a proxy', fault: { kind: 'html', status: 403 } as const },
  ])('gets over $name', async ({ fault }) => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    const { clock } = world;
    await using service = withRetries(key.service, { clock, random: () => 0.1, timeoutMs: 2_000 });
    const { entry } = await service.generate(request);
    world.gcp.faults.add({ operation: 'Decrypt', times: 2, fault });
    await service.unwrap({ entry, context, signal: never });
    expect(world.gcp.count('Decrypt')).toBe(3);
  });

  it('is asked once for each attempt: the library repeats nothing', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    await key.service.generate(request);
    world.gcp.faults.add({ operation: 'Encrypt', fault: { kind: 'error', code: 'UNAVAILABLE', status: 0 } });
    await failureOf(key.service.generate(request));
    expect(world.gcp.count('Encrypt')).toBe(2);
  });
});

describe('a channel', () => {
  it('is shared by all keys of an endpoint and works again after the endpoint was away', async () => {
    await using world = await GcpWorld.start();
    await using one = await world.openKey();
    const two = await world.openKey();
    const made = await one.service.generate(request);
    await two.service.generate(request);
    await two.service[Symbol.asyncDispose]();
    world.gcp.faults.add({ operation: 'Decrypt', times: 1, fault: { kind: 'reset' } });
    await failureOf(one.service.unwrap({ entry: made.entry, context, signal: never }));
    await expectOpens(one.service, made);
  });

  it('to a port where nobody listens is an outage', async () => {
    await using world = await GcpWorld.start();
    await using service = world.open(world.createKey('SYMMETRIC'), { endpoint: 'http://127.0.0.1:9' });
    const { fault } = await failureOf(service.generate(request));
    expect(fault).toEqual({ kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' });
  });
});
