/** Encrypt and Decrypt: what is bound to a message, who opens it, and how many calls that costs. */
import { describe, expect, it } from 'vitest';
import { EncryptionContext } from '../../../src/base/encryption-context.ts';
import { SecretBytes } from '../../../src/base/secret.ts';
import { parseHeader } from '../../../src/envelope/header.ts';
import { messageLimits } from '../../../src/envelope/limits.ts';
import { FakeEngine, rejection, unreadRecord } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';

const orders = { purpose: 'orders' };
const { signal } = new AbortController();

function world() {
  const key = new FakeKeyService('cmk-a');
  const engine = new FakeEngine();
  engine.serve('a', [key]);
  return { key, engine };
}

describe('Encrypt and Decrypt', () => {
  it.each([0, 1, 1024, 65_535, 65_536, 65_537, 300_000])('give %i bytes back as they were', async (size) => {
    const { engine } = world();
    const plaintext = Buffer.alloc(size, 'keyproxy ');
    const { ciphertext, key } = await engine.encrypt('a', plaintext, { context: orders });
    const opened = await engine.decrypt('a', ciphertext, { context: orders });
    expect(opened.plaintext.equals(plaintext)).toBe(true);
    expect(opened.needsRewrap).toBe(false);
    expect([key, opened.key]).toEqual([
      { provider: 'local', keyId: 'cmk-a', keyVersion: 'v1' },
      { provider: 'local', keyId: 'cmk-a', keyVersion: 'v1' },
    ]);
  });

  it('return the pairs that were given, and the tenant', async () => {
    const { engine } = world();
    const { ciphertext } = await engine.encrypt('a', 'x', { context: orders, ad: 'row 1' });
    const { encryptionContext } = await engine.decrypt('a', ciphertext, { ad: 'row 1' });
    expect(encryptionContext).toEqual(
      new Map([
        ['purpose', 'orders'],
        ['tenant_id', 'a'],
      ]),
    );
  });

  it('take the returned context for the given one, its reserved pair included', async () => {
    const { engine } = world();
    const { ciphertext } = await engine.encrypt('a', 'x', { context: orders });
    const { encryptionContext } = await engine.decrypt('a', ciphertext);
    const again = await engine.decrypt('a', ciphertext, { context: Object.fromEntries(encryptionContext) });
    expect(again.plaintext.toString()).toBe('x');
  });

  it('write a message whose header holds the tenant, the flag only with associated data', async () => {
    const { engine } = world();
    const plain = await engine.encrypt('a', 'x', { context: orders });
    const bound = await engine.encrypt('a', 'x', { context: orders, ad: 'row 1' });
    const contexts = [plain, bound].map(({ ciphertext }) => parseHeader(ciphertext, messageLimits).context.pairs);
    expect(contexts).toEqual([
      new Map([
        ['purpose', 'orders'],
        ['tenant_id', 'a'],
      ]),
      new Map([
        ['keyproxy-ad', '1'],
        ['purpose', 'orders'],
        ['tenant_id', 'a'],
      ]),
    ]);
  });

  it('never write the same message twice', async () => {
    const { engine } = world();
    const seen = new Set<string>();
    for (let i = 0; i < 50; i++) seen.add((await engine.encrypt('a', 'x')).ciphertext.toString('hex'));
    expect(seen.size).toBe(50);
  });

  it('ask the key service once: what was just encrypted decrypts without a call', async () => {
    const { engine, key } = world();
    const { ciphertext } = await engine.encrypt('a', 'x', { context: orders });
    await engine.encrypt('a', 'y', { context: orders });
    await engine.decrypt('a', ciphertext, { context: orders });
    expect(key.calls).toEqual({ generate: 1, wrap: 0, unwrap: 0 });
    expect(engine.events).toEqual([
      'a encrypt miss',
      'generated kms',
      'a encrypt hit',
      'a decrypt hit',
      'a decryption ok',
    ]);
  });

  it('bind the key service to the context and the tenant', async () => {
    const { engine, key } = world();
    await engine.encrypt('a', 'x', { context: orders });
    expect(key.contexts).toEqual([
      EncryptionContext.of([
        ['purpose', 'orders'],
        ['tenant_id', 'a'],
      ]).serialized,
    ]);
  });

  it('use one root for each context, and one for messages with associated data', async () => {
    const { engine, key } = world();
    for (const context of [{}, orders, { purpose: 'mail' }]) {
      for (let i = 0; i < 3; i++) await engine.encrypt('a', 'x', { context, ad: 'row' });
      await engine.encrypt('a', 'x', { context });
    }
    expect(key.calls.generate).toBe(6);
  });
});

describe('Decrypt on a daemon that has not seen the message', () => {
  it('asks the key service once and keeps the key', async () => {
    const { engine, key } = world();
    const { ciphertext } = await engine.encrypt('a', 'x', { context: orders });
    const other = new FakeEngine();
    other.serve('a', [key]);
    for (let i = 0; i < 3; i++) {
      expect((await other.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
    }
    expect(key.calls).toEqual({ generate: 1, wrap: 0, unwrap: 1 });
  });

  it('keeps nothing of the memory that the message came in', async () => {
    const { engine, key } = world();
    const { ciphertext } = await engine.encrypt('a', Buffer.alloc(1_000_000));
    const other = new FakeEngine();
    const tenant = other.serve('a', [key]);
    const header = parseHeader(ciphertext, messageLimits);
    const { context, entries } = header;
    using inUse = await other.engine.keys.open(
      { tenant, context, operation: 'decrypt', signal, record: unreadRecord() },
      header,
    );
    for (const { providerId, providerInfo, ciphertext: wrapped } of inUse.key.entries) {
      for (const bytes of [providerId, providerInfo, wrapped]) expect(bytes.buffer).not.toBe(ciphertext.buffer);
    }
    expect(inUse.key.entries).toEqual(entries);
  });

  it('opens what a retired key wrapped, and says that it needs a rewrap', async () => {
    const { engine, key } = world();
    const { ciphertext } = await engine.encrypt('a', 'x');
    const current = new FakeKeyService('cmk-b');
    const other = new FakeEngine();
    other.serve('a', [current, key]);
    const opened = await other.decrypt('a', ciphertext);
    expect(opened).toMatchObject({ needsRewrap: true, key: { keyId: 'cmk-a' } });
    expect(current.callCount).toBe(0);
  });

  it('says that a message needs a rewrap as soon as its key is retired, cached or not', async () => {
    const { engine, key } = world();
    const { ciphertext } = await engine.encrypt('a', 'x');
    engine.serve('a', [new FakeKeyService('cmk-b'), key]);
    expect((await engine.decrypt('a', ciphertext)).needsRewrap).toBe(true);
    expect(key.calls.unwrap).toBe(0);
  });
});

describe('associated data', () => {
  it.each<[string, string | undefined, string | undefined]>([
    ['other data', 'row 1', 'row 2'],
    ['none where some was bound', 'row 1', undefined],
    ['some where none was bound', undefined, 'row 1'],
    ['more of it', 'row 1', 'row 1 '],
  ])('is refused with %s', async (_name, written, given) => {
    const { engine } = world();
    const { ciphertext } = await engine.encrypt('a', 'x', { ...(written !== undefined && { ad: written }) });
    const failure = await rejection(engine.decrypt('a', ciphertext, { ...(given !== undefined && { ad: given }) }));
    expect(failure.reason).toBe('DECRYPT_FAILED');
  });

  it('is the same absent and empty', async () => {
    const { engine } = world();
    const { ciphertext } = await engine.encrypt('a', 'x', { ad: '' });
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
  });
});

describe('the data key of a message', () => {
  it('is wiped when the cache lets it go', async () => {
    const { engine, key } = world();
    await engine.encrypt('a', 'x');
    expect(key.handedOut.map(({ length }) => length)).toEqual([32]);
    engine.cache[Symbol.dispose]();
    expect(key.handedOut.map(({ length }) => length)).toEqual([0]);
    expect(key.handedOut[0]).toBeInstanceOf(SecretBytes);
  });
});
