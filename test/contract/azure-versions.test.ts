/** Versions of a key of Azure: which one wraps, which one opens, and what it means when one is gone. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import { day, generated, minute, opened, request } from './azure-calls.ts';
import { AzureWorld } from './azure-world.ts';
import { context, failureOf, never } from './calls.ts';

let world: AzureWorld;
beforeAll(async () => {
  world = await AzureWorld.start(minute);
});
afterAll(() => world[Symbol.asyncDispose]());

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
    expect((await failureOf(service.generate(request))).fault).toMatchObject({
      reason: 'KEY_DISABLED',
      keyWide: false,
    });
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
    const calls = world.counting(key.owned);
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
    const calls = world.counting(key.owned);
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

  it('is not taken away by an old version that is disabled, while the vault does not say which is the newest', async () => {
    const owned = world.create();
    await using service = world.open(owned);
    const [old, first] = [await generated(service), owned.version];
    owned.rotate();
    world.clock.skip(minute);
    const fresh = await generated(service);
    owned.setEnabled(false, first);
    const reads = { service: 'vault', operation: 'getKey', key: owned.name } as const;
    using _silence = removed(world.azure.faults.add({ ...reads, fault: { kind: 'throttle' } }));
    const calls = world.counting(owned);
    const { fault } = await failureOf(service.unwrap({ entry: old, context, signal: never }));
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_DISABLED', keyWide: false });
    // Nor does it cost a proof of the version in use.
    await generated(service);
    expect(calls()).toEqual(['unwrapKey', 'getKey']);
    owned.setEnabled(false);
    const gone = await failureOf(service.unwrap({ entry: fresh, context, signal: never }));
    expect(gone.fault).toEqual({ kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true });
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

function removed(rule: { remove(): void }): Disposable {
  return { [Symbol.dispose]: () => rule.remove() };
}
