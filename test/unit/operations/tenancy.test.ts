/** Whose message it is: tenants under one key, messages without a tenant, tenants that nobody knows. */
import { describe, expect, it } from 'vitest';
import { EncryptionContext } from '../../../src/base/encryption-context.ts';
import { verbs } from '../../../src/base/verb.ts';
import { DataKey } from '../../../src/envelope/data-key.ts';
import { encryptMessage } from '../../../src/envelope/encrypt.ts';
import { FakeEngine, rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';

const orders = { purpose: 'orders' };
const none = Buffer.alloc(0);
const { signal } = new AbortController();

function world() {
  const key = new FakeKeyService('cmk-a');
  const engine = new FakeEngine();
  engine.serve('a', [key]);
  return { key, engine };
}

/** A message as an official SDK writes it under `key`: with no tenant in its context. */
async function foreignMessage(key: FakeKeyService, context: EncryptionContext): Promise<Buffer> {
  const { plaintext, entry } = await key.generate({ length: 32, context, signal });
  using dataKey = DataKey.adopt(plaintext);
  const message = { dataKey, entries: [entry], context, plaintext: Buffer.from('foreign'), associatedData: none };
  return encryptMessage(message);
}

describe('tenants under one shared key', () => {
  it('never open each other messages, cached or not, whatever context is given', async () => {
    const key = new FakeKeyService('shared');
    const engine = new FakeEngine();
    engine.serve('a', [key], { foreign: true });
    engine.serve('b', [key], { foreign: true });
    const { ciphertext } = await engine.encrypt('a', 'x', { context: orders });
    const before = key.callCount;
    for (const context of [{}, orders, { ...orders, tenant_id: 'a' }, { ...orders, tenant_id: 'b' }]) {
      const failure = await rejection(engine.decrypt('b', ciphertext, { context }));
      expect(failure.reason).toBe('DECRYPT_FAILED');
    }
    expect(key.callCount).toBe(before);
  });

  it('have roots of their own for the same context', async () => {
    const key = new FakeKeyService('shared');
    const engine = new FakeEngine();
    engine.serve('a', [key]);
    engine.serve('b', [key]);
    await engine.encrypt('a', 'x');
    await engine.encrypt('b', 'x');
    expect(key.calls.generate).toBe(2);
  });
});

describe('a message that an official SDK wrote', () => {
  const context = EncryptionContext.of([['app', 'legacy']]);

  it('opens where the tenant allows it and nobody shares its key, and comes back without a tenant', async () => {
    const key = new FakeKeyService('cmk-a');
    const engine = new FakeEngine();
    engine.serve('a', [key], { foreign: true });
    engine.serve('b', [new FakeKeyService('cmk-b')], { foreign: true });
    const opened = await engine.decrypt('a', await foreignMessage(key, context), { context: { app: 'legacy' } });
    expect(opened.plaintext.toString()).toBe('foreign');
    expect(opened.encryptionContext).toEqual(new Map([['app', 'legacy']]));
  });

  it.each<[string, (engine: FakeEngine, key: FakeKeyService) => void]>([
    ['the tenant does not allow it', (engine, key) => engine.serve('a', [key])],
    [
      'another tenant has the same key',
      (engine, key) => {
        engine.serve('a', [key], { foreign: true });
        engine.serve('b', [key]);
      },
    ],
    [
      'another tenant has the same key among its retired ones',
      (engine, key) => {
        engine.serve('a', [key], { foreign: true });
        engine.serve('b', [new FakeKeyService('cmk-b'), key]);
      },
    ],
  ])('is refused without a call where %s', async (_name, serve) => {
    const key = new FakeKeyService('cmk-a');
    const engine = new FakeEngine();
    serve(engine, key);
    const message = await foreignMessage(key, context);
    const before = key.callCount;
    expect((await rejection(engine.decrypt('a', message))).reason).toBe('DECRYPT_FAILED');
    expect(key.callCount).toBe(before);
  });

  it('still opens for a call under way when its own tenant is reloaded', async () => {
    const key = new FakeKeyService('cmk-a');
    const engine = new FakeEngine();
    const tenant = engine.serve('a', [key], { foreign: true });
    engine.serve('a', [key], { foreign: true });
    expect(engine.registry.sharesKeys(tenant)).toBe(false);
  });
});

describe('an unknown tenant', () => {
  it.each<[string, string]>([
    ['', 'TENANT_ID_INVALID'],
    ['a/b', 'TENANT_ID_INVALID'],
    ['x'.repeat(129), 'TENANT_ID_INVALID'],
    ['nobody', 'TENANT_UNKNOWN'],
  ])('%j is refused by every verb', async (id, reason) => {
    const { engine } = world();
    const calls = [
      engine.encrypt(id, 'x'),
      engine.decrypt(id, none),
      engine.generate(id),
      engine.unwrap(id, none),
      engine.rewrap(id, {}),
      engine.describe(id),
    ];
    const reasons = await Promise.all(calls.map(async (call) => (await rejection(call)).reason));
    expect(reasons).toEqual(calls.map(() => reason));
  });

  it('looks to a caller who may do nothing for it like one that there is', async () => {
    const key = new FakeKeyService('cmk-a');
    const engine = new FakeEngine({ access: (_caller, tenant) => new Set(tenant.startsWith('mine') ? verbs : []) });
    engine.serve('a', [key]);
    const [denied, unknown] = [await rejection(engine.encrypt('a', 'x')), await rejection(engine.encrypt('b', 'x'))];
    expect(denied).toMatchObject({ reason: unknown.reason, message: unknown.message, metadata: unknown.metadata });
    expect(denied.reason).toBe('ACCESS_DENIED');
    expect((await rejection(engine.encrypt('mine', 'x'))).reason).toBe('TENANT_UNKNOWN');
    expect(key.callCount).toBe(0);
  });
});
