/** Wrapped DEKs with more than one entry, and keys that are cached only once they are proven. */
import { describe, expect, it } from 'vitest';
import { SecretBytes } from '../../../src/base/secret.ts';
import { DataKey } from '../../../src/envelope/data-key.ts';
import { serializeWrappedDek } from '../../../src/envelope/wrapped-dek.ts';
import type { KmsFault } from '../../../src/kms/fault.ts';
import { contextFor } from '../../../src/operations/context.ts';
import { FakeEngine, pairs, rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';

const { signal } = new AbortController();

/** A wrapped DEK that either key opens, the retired one's entry first. */
async function world() {
  const [retired, current] = [new FakeKeyService('retired'), new FakeKeyService('current')];
  const engine = new FakeEngine();
  const tenant = engine.serve('a', [current, retired]);
  const context = contextFor(tenant.id, pairs());
  const { plaintext, entry } = await retired.generate({ length: 32, context, signal });
  const entries = [entry, await current.wrap({ plaintext, context, signal })];
  using dataKey = DataKey.adopt(SecretBytes.copyOf(plaintext.reveal()));
  const wrappedDek = serializeWrappedDek({ kind: 1, length: 32, entries, dataKey, tenantId: 'a', context });
  return { engine, retired, current, wrappedDek, bytes: Buffer.from(plaintext.reveal()) };
}

const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const silent: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const gone: KmsFault = { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' };

describe('a wrapped DEK with an entry of a retired key before one of the current', () => {
  it.each([disabled, silent, gone])(
    'opens by the current key, whatever the retired one says: $reason',
    async (fault) => {
      const { engine, retired, current, wrappedDek, bytes } = await world();
      retired.fault = fault;
      const opened = await engine.unwrap('a', wrappedDek);
      expect(opened.plaintext.reveal()).toEqual(bytes);
      expect(opened.needsRewrap).toBe(false);
      expect([retired.calls.unwrap, current.calls.unwrap]).toEqual([0, 1]);
    },
  );

  it.each([disabled, silent])(
    'is not opened by the retired key where the current one does not: $reason',
    async (fault) => {
      const { engine, retired, current, wrappedDek } = await world();
      current.fault = fault;
      expect((await rejection(engine.unwrap('a', wrappedDek))).reason).toBe('reason' in fault ? fault.reason : '');
      expect(retired.calls.unwrap).toBe(0);
    },
  );

  it('opens by the retired key where the entry of the current one is damaged', async () => {
    const { engine, retired, current, wrappedDek, bytes } = await world();
    current.fault = { kind: 'data' };
    expect((await engine.unwrap('a', wrappedDek)).plaintext.reveal()).toEqual(bytes);
    expect(retired.calls.unwrap).toBe(1);
  });

  it('says what stood in the way where neither opens it', async () => {
    const { engine, retired, current, wrappedDek } = await world();
    [current.fault, retired.fault] = [{ kind: 'data' }, disabled];
    expect((await rejection(engine.unwrap('a', wrappedDek))).reason).toBe('KEY_DISABLED');
  });
});

describe('under a key service that binds no context', () => {
  it('wrong contexts fail, and push nothing out of the cache', async () => {
    const key = new FakeKeyService('rsa', { bindsContext: false });
    const engine = new FakeEngine();
    engine.serve('a', [key], { cacheMaxEntries: 2 });
    const { wrappedDek } = await engine.generate('a', { source: 2, context: { purpose: 'orders' } });
    for (let i = 0; i < 8; i++) {
      const failure = await rejection(engine.unwrap('a', wrappedDek, { context: { purpose: `guess ${i}` } }));
      expect(failure.reason).toBe('DECRYPT_FAILED');
    }
    const asked = key.calls.unwrap;
    await engine.unwrap('a', wrappedDek, { context: { purpose: 'orders' } });
    expect(key.calls.unwrap).toBe(asked);
    expect(engine.evictions).toEqual([]);
  });

  it('the keys of wrong contexts are wiped', async () => {
    const key = new FakeKeyService('rsa', { bindsContext: false });
    const engine = new FakeEngine();
    engine.serve('a', [key]);
    const { wrappedDek } = await engine.generate('a', { source: 2, context: { purpose: 'orders' } });
    await rejection(engine.unwrap('a', wrappedDek, { context: { purpose: 'guess' } }));
    expect(key.handedOut.at(-1)?.length).toBe(0);
  });
});
