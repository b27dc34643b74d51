/** Replicas: what is written under several keys, opened by whichever answers, and never by one that must not. */
import { describe, expect, it } from 'vitest';
import { messageLimits } from '../../../src/envelope/limits.ts';
import { parseWrappedDek } from '../../../src/envelope/wrapped-dek.ts';
import { type KmsFault, publicReason } from '../../../src/kms/fault.ts';
import { FakeEngine, rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';

const silent: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };
const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const denied: KmsFault = { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true };
const unclear: KmsFault = { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' };
const stale: KmsFault = { kind: 'credentials' };
const wrong: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };

function world(settings: Parameters<FakeEngine['serve']>[2] = {}) {
  const [current, first, second] = ['current', 'first', 'second'].map((name) => new FakeKeyService(name)) as [
    FakeKeyService,
    FakeKeyService,
    FakeKeyService,
  ];
  const engine = new FakeEngine();
  engine.serve('a', { current, replicas: [first, second] }, { cacheTtlMs: 0, ...settings });
  return { engine, current, first, second };
}

/** The names of the keys that wrapped a DEK, in the order of its entries. */
function wrappedBy(wrappedDek: Buffer): string[] {
  return parseWrappedDek(wrappedDek, messageLimits).entries.map((entry) => entry.providerInfo.toString());
}

const everyKey = ['current', 'first', 'second'];
const [derived, kms] = [1, 2];

describe('new data of a tenant with replicas', () => {
  it.each([derived, kms])('is wrapped for every key, in their order: source %i', async (source) => {
    const { engine, current, first, second } = world();
    const { wrappedDek, key } = await engine.generate('a', { source });
    expect(wrappedBy(wrappedDek)).toEqual(everyKey);
    expect(key.keyId).toBe('current');
    expect([current.calls, first.calls, second.calls]).toEqual([
      { generate: 1, wrap: 0, unwrap: 0 },
      { generate: 0, wrap: 1, unwrap: 0 },
      { generate: 0, wrap: 1, unwrap: 0 },
    ]);
  });

  it.each([silent, disabled, unclear])('is written without a replica that does not say yes: $kind', async (fault) => {
    const { engine, first } = world();
    first.fault = fault;
    const { wrappedDek } = await engine.generate('a', { source: kms });
    expect(wrappedBy(wrappedDek)).toEqual(['current', 'second']);
    expect((await engine.unwrap('a', wrappedDek)).needsRewrap).toBe(true);
  });

  it.each([silent, throttled])(
    'comes from the first replica that answers, where the current key is silent: $reason',
    async (fault) => {
      const { engine, current, first } = world();
      current.fault = fault;
      first.fault = disabled;
      const { wrappedDek, plaintext, key } = await engine.generate('a', { source: kms });
      expect([wrappedBy(wrappedDek), key.keyId]).toEqual([['second'], 'second']);
      expect(engine.events).toContain('a failed over to local');
      current.fault = undefined;
      const opened = await engine.unwrap('a', wrappedDek);
      expect(opened.plaintext.reveal()).toEqual(plaintext?.reveal());
      expect(opened.needsRewrap).toBe(true);
    },
  );

  it.each([disabled, denied, unclear, stale, wrong])(
    'is not written at all where the current key says anything but yes: $kind $reason',
    async (fault) => {
      const { engine, current, first, second } = world();
      current.fault = fault;
      await rejection(engine.generate('a', { source: kms }));
      await rejection(engine.encrypt('a', 'x'));
      expect([first.callCount, second.callCount]).toEqual([0, 0]);
    },
  );

  it('fails with the silence of the current key where no replica answers yes either', async () => {
    const { engine, current, first, second } = world();
    [current.fault, first.fault, second.fault] = [silent, disabled, throttled];
    expect((await rejection(engine.generate('a', { source: kms }))).reason).toBe('KEY_SERVICE_UNAVAILABLE');
    for (const key of [current, first, second]) expect(key.handedOut).toEqual([]);
  });
});

describe('data that several keys wrapped', () => {
  it('asks the current key alone while that answers', async () => {
    const { engine, current, first, second } = world();
    const { wrappedDek } = await engine.generate('a', { source: kms });
    const opened = await engine.unwrap('a', wrappedDek);
    expect([opened.key.keyId, opened.needsRewrap]).toEqual(['current', false]);
    expect([current.calls.unwrap, first.calls.unwrap, second.calls.unwrap]).toEqual([1, 0, 0]);
  });

  it('is opened by the replicas in their order while it is silent, and by itself again afterwards', async () => {
    const { engine, current, first, second } = world();
    const { wrappedDek, plaintext } = await engine.generate('a', { source: kms });
    const openedBy = async () => {
      const opened = await engine.unwrap('a', wrappedDek);
      expect(opened.plaintext.reveal()).toEqual(plaintext?.reveal());
      expect(opened.needsRewrap).toBe(false);
      return opened.key.keyId;
    };
    current.fault = silent;
    expect(await openedBy()).toBe('first');
    first.fault = silent;
    expect(await openedBy()).toBe('second');
    first.fault = disabled;
    expect(await openedBy()).toBe('second');
    [current.fault, first.fault] = [undefined, undefined];
    expect(await openedBy()).toBe('current');
    expect(second.calls.unwrap).toBe(2);
    expect(engine.events.filter((event) => event.includes('failed over'))).toHaveLength(3);
  });

  it.each([disabled, denied, unclear, stale, wrong])(
    'is not opened by a replica where the current key says anything but yes: $kind $reason',
    async (fault) => {
      const { engine, current, first, second } = world();
      const { wrappedDek } = await engine.generate('a', { source: kms });
      const { ciphertext } = await engine.encrypt('a', 'x');
      current.fault = fault;
      await rejection(engine.unwrap('a', wrappedDek));
      await rejection(engine.decrypt('a', ciphertext));
      expect([first.calls.unwrap, second.calls.unwrap]).toEqual([0, 0]);
    },
  );

  it.each([disabled, denied, unclear])(
    'is not opened by the replica that alone wrapped it where the current key says no: $kind $reason',
    async (fault) => {
      const { engine, current, first, second } = world();
      current.fault = silent;
      const { wrappedDek, plaintext } = await engine.generate('a', { source: kms });
      expect((await engine.unwrap('a', wrappedDek)).plaintext.reveal()).toEqual(plaintext?.reveal());
      const asked = [first.calls.unwrap, second.calls.unwrap];
      current.fault = fault;
      expect((await rejection(engine.unwrap('a', wrappedDek))).reason).toBe('reason' in fault ? fault.reason : '');
      expect([first.calls.unwrap, second.calls.unwrap]).toEqual(asked);
      current.fault = undefined;
      expect((await engine.unwrap('a', wrappedDek)).plaintext.reveal()).toEqual(plaintext?.reveal());
      for (const secret of current.handedOut) expect(secret.length).toBe(0);
    },
  );

  it('is not opened by a retired key while the current one and its replicas are silent', async () => {
    const [old, current, replica] = ['old', 'current', 'replica'].map((name) => new FakeKeyService(name)) as [
      FakeKeyService,
      FakeKeyService,
      FakeKeyService,
    ];
    const engine = new FakeEngine();
    engine.serve('a', { current, replicas: [replica, old] }, { cacheTtlMs: 0 });
    const { wrappedDek } = await engine.generate('a', { source: kms });
    engine.serve('a', { current, replicas: [replica], retired: [old] }, { cacheTtlMs: 0 });
    [current.fault, replica.fault] = [silent, silent];
    expect((await rejection(engine.unwrap('a', wrappedDek))).reason).toBe('KEY_SERVICE_UNAVAILABLE');
    expect(old.calls.unwrap).toBe(0);
  });

  it.each([disabled, denied, unclear, wrong])(
    'is opened by a retired key where a replica will not, which says nothing about that key: $kind $reason',
    async (fault) => {
      const [old, replica] = [new FakeKeyService('old'), new FakeKeyService('replica')];
      const engine = new FakeEngine();
      engine.serve('a', { current: old, replicas: [replica] }, { cacheTtlMs: 0 });
      const { wrappedDek, plaintext } = await engine.generate('a', { source: kms });
      const current = new FakeKeyService('current');
      engine.serve('a', { current, replicas: [replica], retired: [old] }, { cacheTtlMs: 0 });
      replica.fault = fault;
      const opened = await engine.unwrap('a', wrappedDek);
      expect([opened.key.keyId, opened.plaintext.reveal()]).toEqual(['old', plaintext?.reveal()]);
      expect(engine.events.filter((event) => event.includes('failed over'))).toEqual([]);
      old.fault = silent;
      expect((await rejection(engine.unwrap('a', wrappedDek))).reason).toBe(publicReason(fault));
    },
  );

  it('never opens by an entry of another key: ciphertexts that changed places are a decryption failure', async () => {
    const { engine, current } = world();
    const { wrappedDek } = await engine.generate('a', { source: kms });
    const swapped = Buffer.from(wrappedDek);
    const { entries } = parseWrappedDek(wrappedDek, messageLimits);
    const places = entries.map((entry) => wrappedDek.indexOf(entry.ciphertext));
    swapped.set(entries[1]?.ciphertext ?? [], places[0]);
    swapped.set(entries[0]?.ciphertext ?? [], places[1]);
    current.fault = silent;
    expect((await rejection(engine.unwrap('a', swapped))).reason).toMatch(/DECRYPT_FAILED|KEY_SERVICE_UNAVAILABLE/);
    current.fault = undefined;
    expect((await rejection(engine.unwrap('a', swapped))).reason).toBe('DECRYPT_FAILED');
  });
});

describe('a root that was made while the current key was silent', () => {
  const cached = { cacheTtlMs: 86_400_000 };

  it('serves at once, and is replaced behind the callers by one for every key once that answers', async () => {
    const { engine, current } = world(cached);
    current.fault = silent;
    expect(wrappedBy((await engine.generate('a')).wrappedDek)).toEqual(['first', 'second']);
    current.fault = undefined;
    engine.clock.advance(29_000);
    await engine.generate('a');
    expect(current.calls.generate).toBe(1);
    engine.clock.advance(2_000);
    expect(wrappedBy((await engine.generate('a')).wrappedDek)).toEqual(['first', 'second']);
    await expect.poll(async () => wrappedBy((await engine.generate('a')).wrappedDek)).toEqual(everyKey);
    expect(current.calls.generate).toBe(2);
  });

  it('ends with the no of the current key, and no replica stands in for that', async () => {
    const { engine, current, first, second } = world(cached);
    current.fault = silent;
    await engine.generate('a');
    current.fault = disabled;
    engine.clock.advance(31_000);
    await engine.generate('a');
    await expect.poll(() => engine.evictions).toContain('refused');
    const asked = [first.callCount, second.callCount];
    expect((await rejection(engine.generate('a'))).reason).toBe('KEY_DISABLED');
    expect((await rejection(engine.encrypt('a', 'x'))).reason).toBe('KEY_DISABLED');
    expect([first.callCount, second.callCount]).toEqual(asked);
  });

  it('goes on serving where no other can be had, and is looked at again only after a pause', async () => {
    const { engine, current, first, second } = world(cached);
    current.fault = silent;
    await engine.generate('a');
    for (const key of [first, second]) key.fault = silent;
    engine.clock.advance(31_000);
    for (let i = 0; i < 5; i++) expect(wrappedBy((await engine.generate('a')).wrappedDek)).toEqual(['first', 'second']);
    expect(current.calls.generate).toBe(2);
  });

  it('is looked at less and less often where only a replica is missing', async () => {
    const { engine, current, first } = world(cached);
    first.fault = disabled;
    await engine.generate('a');
    let minutes = 0;
    for (; minutes < 120; minutes++) {
      engine.clock.advance(60_000);
      await engine.generate('a');
    }
    // After 1, 2, 4, 8 and 15 minutes, and every 15 from then on.
    expect(current.calls.generate).toBeLessThan(16);
    expect(current.calls.generate).toBeGreaterThan(8);
    first.fault = undefined;
    engine.clock.advance(15 * 60_000);
    await engine.generate('a');
    await expect.poll(async () => wrappedBy((await engine.generate('a')).wrappedDek)).toEqual(everyKey);
  });
});

describe('Rewrap for a tenant with replicas', () => {
  it('wraps for every key', async () => {
    const { engine, current, first } = world();
    current.fault = silent;
    const { wrappedDek } = await engine.generate('a', { source: kms });
    current.fault = undefined;
    const rewrapped = await engine.rewrap('a', { wrappedDek });
    expect('wrappedDek' in rewrapped && wrappedBy(rewrapped.wrappedDek)).toEqual(everyKey);
    expect(first.calls.unwrap).toBe(1);
  });

  it('keeps the entry of a replica that cannot renew it, and needs the current key', async () => {
    const { engine, current, first } = world();
    const { wrappedDek } = await engine.generate('a', { source: kms });
    first.fault = disabled;
    const rewrapped = await engine.rewrap('a', { wrappedDek });
    expect('wrappedDek' in rewrapped && wrappedBy(rewrapped.wrappedDek)).toEqual(everyKey);
    first.fault = undefined;
    current.fault = silent;
    expect((await rejection(engine.rewrap('a', { wrappedDek }))).reason).toBe('KEY_SERVICE_UNAVAILABLE');
  });
});

it('DescribeTenant names the replicas', async () => {
  const { engine } = world();
  const { key, replicas } = await engine.describe('a');
  expect([key, ...replicas.map((replica) => replica.key)].map(({ keyId }) => keyId)).toEqual(everyKey);
});
