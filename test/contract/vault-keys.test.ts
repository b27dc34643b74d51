/** Keys of Vault in all their places and kinds: mounts, namespaces, versions, rewrapping, and those that go missing. */
import { describe, expect, it } from 'vitest';
import { EncryptionContext } from '../../src/base/encryption-context.ts';
import { SecretBytes } from '../../src/base/secret.ts';
import type { KmsFault } from '../../src/kms/fault.ts';
import { context, expectDataFault, failureOf, never } from './calls.ts';
import { allowing, type VaultKeyInHand, VaultWorld } from './vault-world.ts';

const missing: KmsFault = { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' };
const unsuitable: KmsFault = { kind: 'config', reason: 'KEY_UNSUITABLE' };

function generate({ service }: VaultKeyInHand, length = 32) {
  return service.generate({ length, context, signal: never });
}

async function expectOpens({ service }: VaultKeyInHand, entry: Awaited<ReturnType<typeof generate>>): Promise<void> {
  using opened = await service.unwrap({ entry: entry.entry, context, signal: never });
  expect(opened.reveal()).toEqual(entry.plaintext.reveal());
}

function rewrap({ service }: VaultKeyInHand, entry: Parameters<typeof service.unwrap>[0]['entry'], of = context) {
  if (service.rewrap === undefined) throw new Error('there is no rewrap');
  return service.rewrap({ entry, context: of, signal: never });
}

describe('a key of Vault', () => {
  it.each([
    [{ mount: 'transit' }, '/v1/transit/keys/orders'],
    [{ mount: 'customer/eu/transit' }, '/v1/customer/eu/transit/keys/orders'],
    [{ mount: 'transit', namespace: 'admin' }, '/v1/admin/transit/keys/orders'],
    [{ mount: 'a/b', namespace: 'admin/team' }, '/v1/admin/team/a/b/keys/orders'],
  ])('works in the place %o, and bears its name', async (place, path) => {
    await using world = await VaultWorld.start();
    if (path.includes('/admin/team/')) world.vault.createNamespace('admin');
    await using key = await world.openRoleKey({ key: { ...place, name: 'orders' }, role: { mount: 'ci/approle' } });
    const made = await generate(key);
    await expectOpens(key, made);
    expect(key.service.keyId).toBe(world.vault.address + path);
    expect(made.entry.providerInfo.toString()).toBe(`${world.vault.address}${path}/1`);
    expect(made.entry.providerId.toString()).toBe('vault-transit');
    expect(key.service.describe(made.entry)).toEqual({ provider: 'vault', keyId: key.service.keyId, keyVersion: '1' });
  });

  it('keeps the ciphertext in Vault’s own form', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    expect((await generate(key)).entry.ciphertext.toString()).toMatch(/^vault:v1:[A-Za-z0-9+/]{80}$/);
  });

  it('names the version that wraps, after a rotation the new one, and opens old entries as before', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    const old = await generate(key);
    key.owned.rotate();
    const fresh = await generate(key);
    expect(key.service.describe(fresh.entry).keyVersion).toBe('2');
    for (const made of [old, fresh]) await expectOpens(key, made);
  });

  it('refuses the entries of a version that its owner has retired, and no others', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    const old = await generate(key);
    key.owned.rotate();
    const fresh = await generate(key);
    await key.owned.config({ min_decryption_version: 2 });
    const error = await failureOf(key.service.unwrap({ entry: old.entry, context, signal: never }));
    expect(error.fault).toEqual({ kind: 'refusal', reason: 'KEY_STATE_INVALID', keyWide: false });
    expect(error.details.advice).toContain('min_decryption_version');
    await expectOpens(key, fresh);
  });

  it('sends no entry whose version and ciphertext do not agree', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    const { entry } = await generate(key);
    key.owned.rotate();
    const calls = world.vault.count('decrypt');
    await expectDataFault(key.service, { ...entry, providerInfo: Buffer.from(`${key.service.keyId}/2`) });
    const spelled = entry.ciphertext.toString().replace('vault:v1:', 'vault:v01:');
    await expectDataFault(key.service, { ...entry, ciphertext: Buffer.from(spelled) });
    expect(world.vault.count('decrypt')).toBe(calls);
  });

  it('says in an error where in the audit log of its owner it stands, and what to do', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    key.setPolicy({});
    const error = await failureOf(generate(key));
    expect(error.details).toMatchObject({ provider: 'vault', operation: 'encrypt', providerCode: 'PermissionDenied' });
    expect(error.details.advice).toContain('capability update');
    expect(error.message).not.toContain('permission denied');
  });
});

describe('rewrapping', () => {
  it('of an RSA key is done by Vault, and a batch of it suffers no bad item', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openKey({ kind: 'rsa-2048' });
    const made = await Promise.all([1, 2, 3, 4].map(() => generate(key)));
    key.owned.rotate();
    const bad = `vault:v1:${Buffer.alloc(256, 1).toString('base64')}`;
    const entries = made.map(({ entry }, index) => (index === 2 ? { ...entry, ciphertext: Buffer.from(bad) } : entry));
    const outcomes = await Promise.allSettled(entries.map((entry) => rewrap(key, entry)));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === 'rejected') expect(outcome.reason.fault).toEqual({ kind: 'data' });
      else {
        expect(key.service.describe(outcome.value).keyVersion).toBe('2');
        const { plaintext } = made[index] ?? {};
        using opened = await key.service.unwrap({ entry: outcome.value, context, signal: never });
        expect(opened.reveal()).toEqual(plaintext?.reveal());
      }
    }
    expect(world.vault.count('decrypt')).toBe(3);
  });

  it('of a key that binds the context is unwrapping and wrapping, with the same context', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    const { entry, plaintext } = await generate(key);
    key.owned.rotate();
    const fresh = await rewrap(key, entry);
    expect(key.service.describe(fresh).keyVersion).toBe('2');
    await expectOpens(key, { entry: fresh, plaintext });
    expect(world.vault.count('rewrap')).toBe(0);
  });
});

describe('data keys under an RSA key', () => {
  it.each([16, 32, 64])('of %i bytes are made by Vault', async (length) => {
    await using world = await VaultWorld.start();
    await using key = await world.openKey({ kind: 'rsa-2048' });
    const made = await generate(key, length);
    await expectOpens(key, made);
    expect([world.vault.count('datakey'), world.vault.count('encrypt')]).toEqual([1, 0]);
  });

  it('of another length are made here and wrapped', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openKey({ kind: 'rsa-2048' });
    await expectOpens(key, await generate(key, 24));
    expect([world.vault.count('datakey'), world.vault.count('encrypt')]).toEqual([0, 1]);
  });
});

describe('a key that may not be read', () => {
  const unread = (key: { mount: string; name: string }) => ({
    ...allowing(key),
    [`${key.mount}/keys/${key.name}`]: [],
  });

  it.each(['aes256-gcm96', 'rsa-2048'] as const)('of type %s works all the same', async (type) => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ key: { type }, rules: unread });
    const made = await generate(key);
    await expectOpens(key, made);
    using plaintext = SecretBytes.adopt(Buffer.alloc(32, 7));
    const entry = await key.service.wrap({ plaintext, context, signal: never });
    await using again = world.open(key.config);
    using opened = await again.unwrap({ entry, context, signal: never });
    expect(opened.reveal()).toEqual(Buffer.alloc(32, 7));
  });

  it.each(['ed25519', 'ecdsa-p256'] as const)('of type %s is refused when it is used', async (type) => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ key: { type }, rules: unread });
    expect((await failureOf(generate(key))).fault).toEqual(unsuitable);
  });

  it.each([unread, allowing])('and is derived is refused, with what to do instead', async (rules) => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ key: { derived: true }, rules });
    const error = await failureOf(generate(key));
    expect(error.fault).toEqual(unsuitable);
    expect(error.details).toMatchObject({ providerCode: 'KeyDerived', advice: expect.stringContaining('derived') });
  });
});

describe('a key that does not exist', () => {
  const unread = ({ mount, name }: { mount: string; name: string }) => ({
    [`${mount}/encrypt/${name}`]: ['create' as const, 'update' as const],
    [`${mount}/decrypt/${name}`]: ['update' as const],
  });

  it('is not made by wrapping, although the policy would allow it', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ rules: unread });
    const before = await generate(key);
    key.owned.delete();
    const error = await failureOf(generate(key));
    expect(error.fault).toEqual(missing);
    expect(error.details).toMatchObject({ providerCode: 'KeyNotFound', advice: expect.stringContaining('key_name') });
    const opening = key.service.unwrap({ entry: before.entry, context, signal: never });
    expect((await failureOf(opening)).fault).toEqual(missing);
  });

  it('is found missing before anything is wrapped, where it may be read', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    key.owned.delete();
    expect((await failureOf(generate(key))).fault).toEqual(missing);
    expect(world.vault.count('encrypt')).toBe(0);
  });

  it('that was made anew under its name as another type never wraps without its binding', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ key: { type: 'rsa-2048', name: 'orders' } });
    await generate(key);
    key.owned.delete();
    world.vault.createKey({ name: 'orders' });
    const error = await failureOf(generate(key));
    expect(error.fault.kind).toBe('outage');
    const made = await generate(key);
    await expectOpens(key, made);
    await expectDataFault(key.service, made.entry, EncryptionContext.of([]));
  });
});
