/** Calls of one kind to one key share requests, and nothing else: each has its own outcome. */
import { describe, expect, it } from 'vitest';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import { EncryptionContext } from '../../src/base/encryption-context.ts';
import { SecretBytes } from '../../src/base/secret.ts';
import { context, failureOf, flipped, never } from './calls.ts';
import { VaultWorld } from './vault-world.ts';

/** Sizes of the requests of one operation: 1 for a single one. */
function sizes(world: VaultWorld, operation: string): number[] {
  return world.vault.calls.filter((call) => call.operation === operation).map((call) => call.batchSize ?? 1);
}

/** The same entry with a ciphertext that is well formed and opens under no key. */
function spoiled(entry: EncryptedDataKey): EncryptedDataKey {
  const [prefix, base64 = ''] = entry.ciphertext.toString().split(/(?<=:)(?=[^:]+$)/);
  const bytes = flipped(Buffer.from(base64, 'base64'), 40);
  return { ...entry, ciphertext: Buffer.from(prefix + bytes.toString('base64')) };
}

describe('concurrent calls to one key', () => {
  it('go as one request alone and one of all the others', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    const made = await Promise.all(
      Array.from({ length: 50 }, () => key.service.generate({ length: 32, context, signal: never })),
    );
    expect(sizes(world, 'encrypt')).toEqual([1, 49]);
    const opened = await Promise.all(made.map(({ entry }) => key.service.unwrap({ entry, context, signal: never })));
    expect(sizes(world, 'decrypt')).toEqual([1, 49]);
    for (const [index, plaintext] of opened.entries()) {
      expect(plaintext.reveal()).toEqual(made[index]?.plaintext.reveal());
    }
    expect(new Set(opened.map((plaintext) => plaintext.reveal().toString('hex'))).size).toBe(50);
  });

  it('with a bad one among them fail in that one alone, without one more request', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    const made = await key.service.generate({ length: 32, context, signal: never });
    const entries = Array.from({ length: 20 }, (_, index) => (index % 7 === 3 ? spoiled(made.entry) : made.entry));
    const outcomes = await Promise.allSettled(
      entries.map((entry) => key.service.unwrap({ entry, context, signal: never })),
    );
    for (const [index, outcome] of outcomes.entries()) {
      if (index % 7 !== 3) expect(outcome.status).toBe('fulfilled');
      else expect(outcome.status === 'rejected' && outcome.reason.fault).toEqual({ kind: 'data' });
    }
    expect(sizes(world, 'decrypt')).toEqual([1, 19]);
  });

  it('that all are bad each fail with their own data', async () => {
    await using world = await VaultWorld.start();
    for (const kind of ['aes256-gcm96', 'rsa-2048']) {
      await using key = await world.openKey({ kind });
      const { entry } = await key.service.generate({ length: 32, context, signal: never });
      const calls = [1, 2, 3, 4, 5].map(() => key.service.unwrap({ entry: spoiled(entry), context, signal: never }));
      const outcomes = await Promise.allSettled(calls);
      for (const outcome of outcomes) {
        expect(outcome.status === 'rejected' && outcome.reason.fault).toEqual({ kind: 'data' });
      }
    }
    expect(sizes(world, 'decrypt')).toEqual([1, 4, 1, 4]);
  });

  it('keep their contexts apart', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    const contexts = Array.from({ length: 12 }, (_, index) =>
      EncryptionContext.of(index === 0 ? [] : [['order', String(index)]]),
    );
    const made = await Promise.all(
      contexts.map((own) => key.service.generate({ length: 32, context: own, signal: never })),
    );
    const crossed = await Promise.allSettled(
      made.map(({ entry }, index) =>
        key.service.unwrap({ entry, context: contexts[(index + 1) % 12] ?? context, signal: never }),
      ),
    );
    expect(crossed.map(({ status }) => status)).toEqual(Array.from({ length: 12 }, () => 'rejected'));
    const opened = await Promise.all(
      made.map(({ entry }, index) => key.service.unwrap({ entry, context: contexts[index] ?? context, signal: never })),
    );
    expect(opened.map(({ length }) => length)).toEqual(Array.from({ length: 12 }, () => 32));
  });

  it('lose one that is given up, and no other', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    const { entry } = await key.service.generate({ length: 32, context, signal: never });
    world.vault.faults.add({ operation: 'decrypt', key: key.owned.name, fault: { kind: 'latency', ms: 60 } });
    const controller = new AbortController();
    const calls = Array.from({ length: 9 }, (_, index) =>
      key.service.unwrap({ entry, context, signal: index % 3 === 1 ? controller.signal : never }),
    );
    setTimeout(() => controller.abort(), 90);
    const outcomes = await Promise.allSettled(calls);
    for (const [index, { status }] of outcomes.entries())
      expect(status).toBe(index % 3 === 1 ? 'rejected' : 'fulfilled');
    expect(sizes(world, 'decrypt')).toEqual([1, 8]);
  });

  it('all meet a refusal of the whole request', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    const { entry } = await key.service.generate({ length: 32, context, signal: never });
    key.setPolicy({});
    const errors = await Promise.all(
      Array.from({ length: 10 }, () => failureOf(key.service.unwrap({ entry, context, signal: never }))),
    );
    for (const { fault } of errors) {
      expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: true });
    }
    expect(sizes(world, 'decrypt')).toEqual([1, 9]);
  });

  it('leave what they wrap as it was', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    const plaintexts = Array.from({ length: 10 }, (_, index) => SecretBytes.adopt(Buffer.alloc(32, index)));
    await Promise.all(plaintexts.map((plaintext) => key.service.wrap({ plaintext, context, signal: never })));
    for (const [index, plaintext] of plaintexts.entries()) expect(plaintext.reveal()).toEqual(Buffer.alloc(32, index));
  });
});
