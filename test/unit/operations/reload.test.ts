/** What a reload or the end of the daemon leaves behind, and what DescribeTenant tells. */
import { describe, expect, it } from 'vitest';
import { KeyproxyError } from '../../../src/base/errors.ts';
import { verbs } from '../../../src/base/verb.ts';
import { encrypt } from '../../../src/operations/encrypt.ts';
import { caller, FakeEngine, pairs, rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';

const settled = () => new Promise((done) => setImmediate(done));

function world() {
  const key = new FakeKeyService('cmk-a');
  const engine = new FakeEngine();
  const tenant = engine.serve('a', [key]);
  return { key, engine, tenant };
}

describe('a reload', () => {
  it('keeps what is cached under the same key', async () => {
    const { engine, key, tenant } = world();
    await engine.encrypt('a', 'x');
    engine.serve('a', [key], { dekSource: 'kms' });
    await engine.encrypt('a', 'x');
    expect(key.calls.generate).toBe(1);
    expect(tenant.isServed).toBe(false);
  });

  it('is not undone by a call that began before: what it fetches serves it and is not kept', async () => {
    const { engine, key, tenant } = world();
    const open = key.hold();
    const call = engine.encrypt('a', 'x');
    await settled();
    engine.cache.clear(tenant.id, 'removed');
    engine.serve('a', [new FakeKeyService('cmk-b')]);
    open();
    expect((await call).key.keyId).toBe('cmk-a');
    expect(engine.cache.count()).toBe(0);
    expect(key.handedOut.map(({ length }) => length)).toEqual([0]);
  });

  it('changes the key that new data goes under at once', async () => {
    const { engine, key } = world();
    await engine.encrypt('a', 'x');
    const next = new FakeKeyService('cmk-b');
    engine.serve('a', [next, key]);
    expect((await engine.encrypt('a', 'x')).key.keyId).toBe('cmk-b');
    expect(next.calls.generate).toBe(1);
  });
});

describe('the end of the daemon', () => {
  it('ends calls to the key service that nobody waits for', async () => {
    const { engine, key } = world();
    const controller = new AbortController();
    key.hold();
    const call = rejection(engine.encrypt('a', 'x', { signal: controller.signal }));
    await settled();
    controller.abort(new KeyproxyError('CANCELLED'));
    await call;
    engine.lifetime.abort(new Error('the daemon ends'));
    await settled();
    key.gate = undefined;
    expect(key.handedOut).toEqual([]);
    expect((await rejection(engine.encrypt('a', 'x'))).reason).toBe('KEY_SERVICE_UNAVAILABLE');
  });

  it('lets a call of a tenant that is closed fail as unavailable, whether its keys were open or not', async () => {
    const { engine, key, tenant } = world();
    await tenant[Symbol.asyncDispose]();
    const failure = await rejection(engine.encrypt('a', 'x'));
    expect(failure.reason).toBe('KEY_SERVICE_UNAVAILABLE');
    expect(key.callCount).toBe(0);

    const open = world();
    await open.engine.encrypt('a', 'x');
    await open.tenant[Symbol.asyncDispose]();
    expect(open.key.closed).toBe(true);
    const other = await rejection(open.engine.encrypt('a', 'x', { context: { purpose: 'new' } }));
    expect(other.reason).toBe('KEY_SERVICE_UNAVAILABLE');
  });

  it('fails a call as unavailable when its key service is closed under it', async () => {
    const { engine, key } = world();
    const open = key.hold();
    const call = rejection(engine.encrypt('a', 'x'));
    await settled();
    key.closed = true;
    open();
    expect((await call).reason).toBe('KEY_SERVICE_UNAVAILABLE');
  });
});

describe('DescribeTenant', () => {
  it('tells the key, the figures and the last contact, and calls nobody', async () => {
    const { engine, key, tenant } = world();
    await engine.encrypt('a', 'x');
    await engine.encrypt('a', 'x');
    tenant.contact.lastSuccess = 1;
    const before = key.callCount;
    expect(await engine.describe('a')).toEqual({
      tenantId: 'a',
      state: { kind: 'active' },
      key: { provider: 'local', keyId: 'cmk-a', keyVersion: '' },
      replicas: [],
      cacheEntries: 2,
      cacheHits: 1,
      cacheMisses: 1,
      contact: { lastSuccess: 1 },
    });
    expect(key.callCount).toBe(before);
  });
});

describe('an operation', () => {
  it('asks the access rule once for each caller that it was given', async () => {
    const asked: unknown[] = [];
    const key = new FakeKeyService('cmk-a');
    const engine = new FakeEngine({ access: (who) => new Set(asked.push(who) > 0 ? verbs : []) });
    engine.serve('a', [key]);
    const none = Buffer.alloc(0);
    const request = { tenantId: 'a', plaintext: none, encryptionContext: pairs(), associatedData: none };
    await encrypt(engine.engine)({ kind: 'anonymous' }, request, new AbortController().signal);
    for (let i = 0; i < 3; i++) await encrypt(engine.engine)(caller, request, new AbortController().signal);
    expect(asked).toEqual([{ kind: 'anonymous' }, { kind: 'socket' }]);
  });
});
