/** GenerateDEK and Unwrap: sources, lengths, and what a wrapped DEK is bound to. */
import { describe, expect, it } from 'vitest';
import { messageLimits } from '../../../src/envelope/limits.ts';
import { parseWrappedDek, serializeWrappedDek } from '../../../src/envelope/wrapped-dek.ts';
import { contextFor } from '../../../src/operations/context.ts';
import { dekLengths, dekSources } from '../../../src/operations/generate-dek.ts';
import { FakeEngine, pairs, rejection, unreadRecord } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';

const orders = { purpose: 'orders' };
const { unspecified, derived, kms } = dekSources;

function world(settings: { dekSource?: 'derived' | 'kms'; cacheTtlMs?: number } = {}) {
  const key = new FakeKeyService('cmk-a');
  const engine = new FakeEngine();
  engine.serve('a', [key], settings);
  return { key, engine };
}

const sources = [
  ['derived', derived],
  ['kms', kms],
] as const;

describe.each(sources)('a DEK from the source %s', (name, source) => {
  it.each([0, ...dekLengths])('of %i bytes comes back from Unwrap', async (bytes) => {
    const { engine } = world();
    const made = await engine.generate('a', { source, bytes, context: orders });
    const opened = await engine.unwrap('a', made.wrappedDek, { context: orders });
    expect(made.plaintext?.length).toBe(bytes === 0 ? 32 : bytes);
    expect(opened.plaintext.reveal()).toEqual(made.plaintext?.reveal());
    expect(opened).toMatchObject({ needsRewrap: false, key: { keyId: 'cmk-a' }, maxAgeSeconds: 86_400 });
    expect(made.maxAgeSeconds).toBe(86_400);
  });

  it('comes back on a daemon that has not seen it, with one call', async () => {
    const { engine, key } = world();
    const made = await engine.generate('a', { source, context: orders });
    const other = new FakeEngine();
    other.serve('a', [key]);
    const opened = await other.unwrap('a', made.wrappedDek, { context: orders });
    expect(opened.plaintext.reveal()).toEqual(made.plaintext?.reveal());
    expect(key.calls.unwrap).toBe(1);
  });

  it('is another one each time', async () => {
    const { engine } = world();
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const { plaintext } = await engine.generate('a', { source });
      seen.add(plaintext?.reveal().toString('hex') ?? '');
    }
    expect(seen.size).toBe(20);
  });

  it('is not shown where the plaintext is not wanted, and opens all the same', async () => {
    const { engine } = world();
    const made = await engine.generate('a', { source, withoutPlaintext: true });
    expect(made.plaintext).toBeUndefined();
    expect((await engine.unwrap('a', made.wrappedDek)).plaintext.length).toBe(32);
  });

  it('does not share its memory with the cache', async () => {
    const { engine } = world();
    const made = await engine.generate('a', { source });
    const before = Buffer.from(made.plaintext?.reveal() ?? '');
    made.plaintext?.[Symbol.dispose]();
    const opened = await engine.unwrap('a', made.wrappedDek);
    expect(opened.plaintext.reveal()).toEqual(before);
  });

  it('says how long it may be kept: what is left of the life of its key', async () => {
    const { engine } = world();
    const made = await engine.generate('a', { source });
    engine.clock.advance(86_400_000 - 10_500);
    expect((await engine.unwrap('a', made.wrappedDek)).maxAgeSeconds).toBe(10);
  });

  it('may not be kept at all where caching is off', async () => {
    const { engine, key } = world({ cacheTtlMs: 0 });
    const made = await engine.generate('a', { source });
    const opened = await engine.unwrap('a', made.wrappedDek);
    expect([made.maxAgeSeconds, opened.maxAgeSeconds]).toEqual([0, 0]);
    expect(key.calls).toEqual({ generate: 1, wrap: 0, unwrap: 1 });
    expect(key.handedOut.every(({ length }) => length === 0)).toBe(true);
  });

  it.each<[string, string, Readonly<Record<string, string>>]>([
    ['another tenant under the same key', 'b', orders],
    ['another context', 'a', { purpose: 'mail' }],
    ['no context', 'a', {}],
    ['one more pair', 'a', { ...orders, more: '' }],
  ])('does not open for %s', async (_name, tenant, context) => {
    const { engine, key } = world();
    engine.serve('b', [key]);
    const made = await engine.generate('a', { source, context: orders });
    expect((await rejection(engine.unwrap(tenant, made.wrappedDek, { context }))).reason).toBe('DECRYPT_FAILED');
  });

  it('tells the observer where it came from', async () => {
    const { engine } = world();
    await engine.generate('a', { source });
    expect(engine.events.at(-1)).toBe(`generated ${name}`);
  });
});

describe('GenerateDEK', () => {
  it('derives without a call once the root is there, and asks the key service each time for the source kms', async () => {
    const { engine, key } = world();
    for (let i = 0; i < 5; i++) await engine.generate('a', { source: derived });
    expect(key.calls.generate).toBe(1);
    for (let i = 0; i < 5; i++) await engine.generate('a', { source: kms });
    expect(key.calls.generate).toBe(6);
  });

  it.each(['derived', 'kms'] as const)(
    'takes the source %s of the tenant where none is asked for',
    async (dekSource) => {
      const { engine } = world({ dekSource });
      const { wrappedDek } = await engine.generate('a', { source: unspecified });
      expect(parseWrappedDek(wrappedDek, messageLimits).kind).toBe(dekSource === 'kms' ? 1 : 2);
    },
  );

  it.each([1, 8, 15, 31, 33, 48, 65, 128, 2 ** 32 - 1])('refuses a length of %i without a call', async (bytes) => {
    const { engine, key } = world();
    for (const [, source] of sources) {
      expect((await rejection(engine.generate('a', { source, bytes }))).reason).toBe('DEK_LENGTH_INVALID');
    }
    expect(key.callCount).toBe(0);
  });

  it.each([3, 99, 2 ** 32 - 1])('refuses the source %i without a call', async (source) => {
    const { engine, key } = world();
    expect((await rejection(engine.generate('a', { source }))).reason).toBe('DEK_SOURCE_INVALID');
    expect(key.callCount).toBe(0);
  });
});

describe('Unwrap', () => {
  it('needs one call for a thousand DEKs of one root', async () => {
    const { engine, key } = world();
    const made = await Promise.all(Array.from({ length: 1000 }, () => engine.generate('a')));
    const other = new FakeEngine();
    other.serve('a', [key]);
    await Promise.all(made.map(({ wrappedDek }) => other.unwrap('a', wrappedDek)));
    expect(key.calls).toEqual({ generate: 1, wrap: 0, unwrap: 1 });
  });

  it('says that a DEK needs a rewrap when its key is retired', async () => {
    const { engine, key } = world();
    const { wrappedDek } = await engine.generate('a');
    engine.serve('a', [new FakeKeyService('cmk-b'), key]);
    expect((await engine.unwrap('a', wrappedDek)).needsRewrap).toBe(true);
  });

  it('refuses a root, which is for the store alone, without a call', async () => {
    const { engine, key } = world();
    const tenant = engine.serve('a', [key]);
    const context = contextFor(tenant.id, pairs());
    const { signal } = new AbortController();
    using root = await engine.engine.keys.root({
      tenant,
      context,
      operation: 'encrypt',
      signal,
      record: unreadRecord(),
    });
    const { dataKey, entries } = root.key;
    const wrappedDek = serializeWrappedDek({ kind: 3, length: 32, entries, dataKey, tenantId: tenant.id, context });
    const before = engine.events.length;
    expect((await rejection(engine.unwrap('a', wrappedDek))).reason).toBe('DECRYPT_FAILED');
    expect(engine.events.slice(before)).toEqual(['a decryption DECRYPT_FAILED']);
  });

  it('lets go of the key where the tag does not match: nothing leaks by a bad tag', async () => {
    const { engine, key } = world({ cacheTtlMs: 0 });
    const { wrappedDek } = await engine.generate('a');
    wrappedDek[wrappedDek.length - 1] = (wrappedDek.at(-1) ?? 0) ^ 1;
    await rejection(engine.unwrap('a', wrappedDek));
    expect(key.calls.unwrap).toBe(1);
    expect(key.handedOut.map(({ length }) => length)).toEqual([0, 0]);
  });

  it('checks the tag on every hit', async () => {
    const { engine, key } = world();
    const { wrappedDek } = await engine.generate('a');
    for (let at = wrappedDek.length - 16; at < wrappedDek.length; at++) {
      const changed = Buffer.from(wrappedDek);
      changed[at] = (changed[at] ?? 0) ^ 0x80;
      expect((await rejection(engine.unwrap('a', changed))).reason).toBe('DECRYPT_FAILED');
    }
    expect(key.calls.unwrap).toBe(0);
  });

  it('refuses a changed salt, kind or length', async () => {
    const { engine } = world();
    const { wrappedDek } = await engine.generate('a', { source: derived });
    for (const [at, value] of [
      [1, 1],
      [2, 16],
      [2, 64],
      [3, (wrappedDek[3] ?? 0) ^ 1],
    ] as const) {
      const changed = Buffer.from(wrappedDek);
      changed[at] = value;
      expect((await rejection(engine.unwrap('a', changed))).reason).toBe('DECRYPT_FAILED');
    }
  });
});
