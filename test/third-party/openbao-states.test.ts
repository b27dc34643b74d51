/** What a customer does with key, policy and login, on a real server of Transit. */
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import type { KmsFault } from '../../src/kms/fault.ts';
import {
  context,
  expectDataFault,
  failureOf,
  flipped,
  type KeyOperation,
  never,
  operations,
  run,
  warmed,
} from '../contract/calls.ts';
import { type BaoKey, OpenBaoWorld, rules } from './openbao-world.ts';

const endpoint = inject('endpoints').openbao;
const making: readonly KeyOperation[] = ['generate', 'wrap'];
const missing: KmsFault = { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' };

/** What the owner does to a key, what calls end with, and how it is taken back. */
interface State {
  readonly name: string;
  readonly operations: readonly KeyOperation[];
  readonly expected: KmsFault;
  set(world: OpenBaoWorld, path: string): Promise<unknown>;
  unset?(world: OpenBaoWorld, path: string): Promise<unknown>;
}

const deletable = { deletion_allowed: true };
const withoutUse = rules.replaceAll(/^path "\S+\/(encrypt|decrypt)\/.*$/gm, '');

const states: readonly State[] = [
  {
    name: 'a key that its owner has deleted',
    operations,
    expected: missing,
    async set({ owner }, path) {
      await owner.call('POST', `${path}/config`, deletable);
      await owner.call('DELETE', path);
    },
  },
  {
    name: 'a key that its owner has marked for deletion',
    operations,
    expected: { kind: 'refusal', reason: 'KEY_PENDING_DELETION', keyWide: true },
    async set({ owner }, path) {
      await owner.call('POST', `${path}/config`, deletable);
      await owner.call('DELETE', `${path}/soft-delete`);
    },
    unset: ({ owner }, path) => owner.call('POST', `${path}/soft-delete-restore`),
  },
  {
    name: 'a version that its owner has retired',
    operations: ['unwrap'],
    expected: { kind: 'refusal', reason: 'KEY_STATE_INVALID', keyWide: false },
    async set({ owner }, path) {
      await owner.call('POST', `${path}/rotate`);
      await owner.call('POST', `${path}/config`, { min_decryption_version: 2 });
    },
    unset: ({ owner }, path) => owner.call('POST', `${path}/config`, { min_decryption_version: 1 }),
  },
  {
    name: 'a policy that no longer allows decryption',
    operations: ['unwrap'],
    expected: { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: true },
    set: ({ owner }) => owner.setPolicy('keyproxy', withoutUse),
    unset: ({ owner }) => owner.setPolicy('keyproxy', rules),
  },
  {
    name: 'a policy that no longer allows encryption',
    operations: making,
    expected: { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false },
    set: ({ owner }) => owner.setPolicy('keyproxy', withoutUse),
    unset: ({ owner }) => owner.setPolicy('keyproxy', rules),
  },
];

describe.skipIf(endpoint === undefined)('a customer’s namespace on OpenBao', () => {
  let world: OpenBaoWorld;
  beforeAll(async () => {
    world = await OpenBaoWorld.enter(endpoint ?? '');
  });
  afterAll(() => world[Symbol.asyncDispose]());

  function pathOf({ name }: BaoKey): string {
    return `${world.mount}/keys/${name}`;
  }

  describe.each(states)('with $name', ({ operations: met, expected, set, unset }) => {
    it.each(met)('refuses %s, and serves it again once that is taken back', async (operation) => {
      await using key = await world.openKey();
      const entry = await warmed(key.service);
      await set(world, pathOf(key));
      expect((await failureOf(run(operation, key.service, { entry, signal: never }))).fault).toEqual(expected);
      if (unset === undefined) return;
      await unset(world, pathOf(key));
      await run(operation, key.service, { entry, signal: never });
    });
  });

  it.each(making)('makes no key by %s, where there is none of the name', async (operation) => {
    await using service = world.open(`nobody-made-this-${operation}`);
    // The server answers a list of no keys with 404: one of ours has to be there.
    await using _other = await world.openKey();
    const entry = { providerId: Buffer.alloc(0), providerInfo: Buffer.alloc(0), ciphertext: Buffer.alloc(0) };
    expect((await failureOf(run(operation, service, { entry, signal: never }))).fault).toEqual(missing);
    const { keys } = await world.owner.call('LIST', `${world.mount}/keys`);
    expect(keys).not.toContain(`nobody-made-this-${operation}`);
  });

  it('wraps under the new version after a rotation, and opens what older ones wrapped', async () => {
    await using key = await world.openKey();
    const { plaintext, entry: old } = await key.service.generate({ length: 32, context, signal: never });
    await world.owner.call('POST', `${pathOf(key)}/rotate`);
    const fresh = await warmed(key.service);
    expect([old, fresh].map((entry) => key.service.describe(entry).keyVersion)).toEqual(['1', '2']);
    using opened = await key.service.unwrap({ entry: old, context, signal: never });
    expect(opened.reveal()).toEqual(plaintext.reveal());
  });

  it('wraps an RSA entry anew under the new version, at the server', async () => {
    await using key = await world.openKey({ kind: 'rsa-2048' });
    const { plaintext, entry } = await key.service.generate({ length: 32, context, signal: never });
    await world.owner.call('POST', `${pathOf(key)}/rotate`);
    const anew = await key.service.rewrap?.({ entry, context, signal: never });
    expect(anew && key.service.describe(anew).keyVersion).toBe('2');
    using opened = await key.service.unwrap({ entry: anew ?? entry, context, signal: never });
    expect(opened.reveal()).toEqual(plaintext.reveal());
  });

  it('opens what the server’s own interface wrapped, and is opened by it', async () => {
    await using key = await world.openKey();
    const { plaintext, entry } = await key.service.generate({ length: 32, context, signal: never });
    const shown = await world.owner.call('POST', `${world.mount}/decrypt/${key.name}`, {
      ciphertext: entry.ciphertext.toString('ascii'),
      associated_data: context.serialized.toString('base64'),
    });
    expect(shown['plaintext']).toBe(plaintext.reveal().toString('base64'));
    const { ciphertext } = await world.owner.call('POST', `${world.mount}/encrypt/${key.name}`, {
      plaintext: shown['plaintext'],
      associated_data: context.serialized.toString('base64'),
    });
    const foreign = { ...entry, ciphertext: Buffer.from(String(ciphertext), 'ascii') };
    using opened = await key.service.unwrap({ entry: foreign, context, signal: never });
    expect(opened.reveal()).toEqual(plaintext.reveal());
  });

  it('opens many entries at a time, although some of them are damaged', async () => {
    await using key = await world.openKey();
    const made = await Promise.all(
      Array.from({ length: 40 }, () => key.service.generate({ length: 32, context, signal: never })),
    );
    await Promise.all(
      made.map(async ({ plaintext, entry }, index) => {
        const { ciphertext } = entry;
        const damaged = { ...entry, ciphertext: flipped(ciphertext, ciphertext.length - 5) };
        if (index % 10 === 0) return expectDataFault(key.service, damaged);
        using opened = await key.service.unwrap({ entry, context, signal: never });
        expect(opened.reveal()).toEqual(plaintext.reveal());
      }),
    );
  });
});

describe.skipIf(endpoint === undefined)('an AppRole on OpenBao', () => {
  /** What an operator does who suspects a leak. */
  const revokeAll = ({ owner }: OpenBaoWorld) => owner.call('PUT', 'sys/leases/revoke-prefix/auth/approle/login');

  it('is logged in to again, unnoticed, when its tokens are revoked', async () => {
    await using world = await OpenBaoWorld.enter(endpoint ?? '');
    await using key = await world.openKey();
    const entry = await warmed(key.service);
    for (const operation of operations) {
      await revokeAll(world);
      await run(operation, key.service, { entry, signal: never });
    }
  });

  it('with a secret id that is used up refuses, until the file has a new one', async () => {
    await using world = await OpenBaoWorld.enter(endpoint ?? '', { role: { secret_id_num_uses: 1 } });
    await using key = await world.openKey();
    const entry = await warmed(key.service);
    await revokeAll(world);
    const { fault, details } = await failureOf(run('unwrap', key.service, { entry, signal: never }));
    expect(fault).toEqual({ kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true });
    expect(details.advice).toContain('secret_id_file');
    await world.giveSecretId();
    // A refusal is remembered for a moment before the file is looked at again.
    await vi.waitFor(() => run('unwrap', key.service, { entry, signal: never }), { timeout: 10_000, interval: 200 });
  });
});
