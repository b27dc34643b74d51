/** Wrapped DEKs that come again: what is remembered, for how long, and what is never taken for it. */
import { describe, expect, it } from 'vitest';
import { SecretBytes } from '../../../src/base/secret.ts';
import { maxProvenDeks, ProvenDeks } from '../../../src/operations/proven-deks.ts';
import { FakeEngine, rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';

const bytes = (text: string) => Buffer.from(text);
const secret = (text: string) => SecretBytes.copyOf(bytes(text));

describe('ProvenDeks', () => {
  it('gives back what the same bytes held, and nothing for others', () => {
    using proven = new ProvenDeks();
    proven.keep(bytes('wrapped'), secret('dek'))[Symbol.dispose]();
    using found = proven.find(bytes('wrapped'));
    expect(found?.value.reveal()).toEqual(bytes('dek'));
    expect(proven.find(bytes('wrappee'))).toBeUndefined();
  });

  it('keeps the last few and wipes the oldest, once nobody works with it any more', () => {
    using proven = new ProvenDeks();
    const first = secret('first');
    const lease = proven.keep(bytes('0'), first);
    for (let i = 1; i <= maxProvenDeks; i++) proven.keep(bytes(`${i}`), secret('x'))[Symbol.dispose]();
    expect(proven.find(bytes('0'))).toBeUndefined();
    expect(first.length).toBe(5);
    lease[Symbol.dispose]();
    expect(first.length).toBe(0);
  });

  it('wipes all of them at the end', () => {
    const proven = new ProvenDeks();
    const kept = secret('dek');
    proven.keep(bytes('wrapped'), kept)[Symbol.dispose]();
    proven[Symbol.dispose]();
    expect(kept.length).toBe(0);
  });
});

describe('Unwrap of bytes that were opened before', () => {
  it.each([1, 2])('gives the same key again, and still refuses each of them changed (source %i)', async (source) => {
    const engine = new FakeEngine();
    engine.serve('a', [new FakeKeyService('cmk')]);
    using made = (await engine.generate('a', { source })).plaintext;
    const { wrappedDek } = await engine.generate('a', { source });
    using first = await engine.unwrap('a', wrappedDek);
    using again = await engine.unwrap('a', wrappedDek);
    expect(again.plaintext.reveal()).toEqual(first.plaintext.reveal());
    expect(made?.reveal()).not.toEqual(first.plaintext.reveal());
    for (let i = 0; i < wrappedDek.length; i++) {
      const changed = Buffer.from(wrappedDek);
      changed[i] = (changed[i] ?? 0) ^ 1;
      expect((await rejection(engine.unwrap('a', changed))).reason).toBe('DECRYPT_FAILED');
    }
  });

  it('is refused under another context, and for another tenant under the same key', async () => {
    const engine = new FakeEngine();
    const key = new FakeKeyService('cmk', { bindsContext: false });
    engine.serve('a', [key]);
    engine.serve('b', [key]);
    const { wrappedDek } = await engine.generate('a', { context: { purpose: 'orders' } });
    using _opened = await engine.unwrap('a', wrappedDek, { context: { purpose: 'orders' } });
    expect((await rejection(engine.unwrap('a', wrappedDek, { context: { purpose: 'x' } }))).reason).toBe(
      'DECRYPT_FAILED',
    );
    expect((await rejection(engine.unwrap('b', wrappedDek, { context: { purpose: 'orders' } }))).reason).toBe(
      'DECRYPT_FAILED',
    );
  });

  it('leaves nothing behind when the tenant goes', async () => {
    const engine = new FakeEngine();
    const tenant = engine.serve('a', [new FakeKeyService('cmk')]);
    const { wrappedDek } = await engine.generate('a', {});
    const opened = await engine.unwrap('a', wrappedDek);
    engine.cache.remove(tenant.id);
    expect(opened.plaintext.length).toBe(32);
    opened[Symbol.dispose]();
    expect(opened.plaintext.length).toBe(0);
  });
});
