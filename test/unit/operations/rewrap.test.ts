/** Rewrap: a wrapped DEK keeps its key, a ciphertext gets another one, and nothing leaves its tenant. */
import { describe, expect, it } from 'vitest';
import { parseHeader } from '../../../src/envelope/header.ts';
import { messageLimits } from '../../../src/envelope/limits.ts';
import { FakeEngine, rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';

const orders = { purpose: 'orders' };
const context = { context: orders };

/** A tenant whose key has been changed from `older` to `newer`. */
function world() {
  const older = new FakeKeyService('cmk-old');
  const newer = new FakeKeyService('cmk-new');
  const engine = new FakeEngine();
  engine.serve('a', [older]);
  const change = () => engine.serve('a', [newer, older]);
  return { older, newer, engine, change };
}

function wrappedDekOf(answer: object): Buffer {
  if ('wrappedDek' in answer && Buffer.isBuffer(answer.wrappedDek)) return answer.wrappedDek;
  throw new Error('the answer holds no wrapped DEK');
}

function ciphertextOf(answer: object): Buffer {
  if ('ciphertext' in answer && Buffer.isBuffer(answer.ciphertext)) return answer.ciphertext;
  throw new Error('the answer holds no ciphertext');
}

describe.each([
  ['derived', 1, 32],
  ['derived', 1, 64],
  ['kms', 2, 16],
  ['kms', 2, 32],
])('Rewrap of a wrapped DEK from the source %s', (_name, source, bytes) => {
  it(`of ${bytes} bytes keeps the key and brings it under the current one`, async () => {
    const { older, newer, engine, change } = world();
    const made = await engine.generate('a', { source, bytes, ...context });
    change();
    const answer = await engine.rewrap('a', { wrappedDek: made.wrappedDek }, context);
    expect(answer.key.keyId).toBe('cmk-new');
    expect(newer.calls).toEqual({ generate: 0, wrap: 1, unwrap: 0 });

    older.fault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
    const fresh = new FakeEngine();
    fresh.serve('a', [newer]);
    const opened = await fresh.unwrap('a', wrappedDekOf(answer), context);
    expect(opened.plaintext.reveal()).toEqual(made.plaintext?.reveal());
    expect(opened.needsRewrap).toBe(false);
  });

  it(`of ${bytes} bytes wraps again where the key has not changed`, async () => {
    const { older, engine } = world();
    const made = await engine.generate('a', { source, bytes, ...context });
    const answer = await engine.rewrap('a', { wrappedDek: made.wrappedDek }, context);
    expect(wrappedDekOf(answer)).not.toEqual(made.wrappedDek);
    const opened = await engine.unwrap('a', wrappedDekOf(answer), context);
    expect(opened.plaintext.reveal()).toEqual(made.plaintext?.reveal());
    expect(older.calls).toEqual({ generate: 1, wrap: 1, unwrap: 1 });
  });
});

describe('Rewrap of a ciphertext', () => {
  it('writes it anew under the current key, with the same pairs and associated data', async () => {
    const { newer, engine, change } = world();
    const { ciphertext } = await engine.encrypt('a', 'text', { ...context, ad: 'row 1' });
    change();
    const answer = await engine.rewrap('a', { ciphertext }, { ad: 'row 1' });
    const fresh = new FakeEngine();
    fresh.serve('a', [newer]);
    const opened = await fresh.decrypt('a', ciphertextOf(answer), { ...context, ad: 'row 1' });
    expect(opened.plaintext.toString()).toBe('text');
    expect(opened.needsRewrap).toBe(false);
  });

  it('never uses a message id or a data key twice', async () => {
    const { engine, change } = world();
    const { ciphertext } = await engine.encrypt('a', 'text');
    change();
    const answers = [await engine.rewrap('a', { ciphertext }), await engine.rewrap('a', { ciphertext })];
    const headers = [ciphertext, ...answers.map(ciphertextOf)].map((bytes) => parseHeader(bytes, messageLimits));
    expect(new Set(headers.map(({ messageId }) => messageId.toString('hex'))).size).toBe(3);
    expect(headers[1]?.entriesBytes).not.toEqual(headers[0]?.entriesBytes);
  });

  it('fails like Decrypt where the message does not open', async () => {
    const { engine } = world();
    const { ciphertext } = await engine.encrypt('a', 'text', { ...context, ad: 'row 1' });
    const calls = [
      engine.rewrap('a', { ciphertext }),
      engine.rewrap('a', { ciphertext }, { ad: 'row 2' }),
      engine.rewrap('a', { ciphertext }, { ad: 'row 1', context: { purpose: 'mail' } }),
      engine.rewrap('a', { ciphertext: ciphertext.subarray(1) }, { ad: 'row 1' }),
    ];
    for (const call of calls) expect((await rejection(call)).reason).toBe('DECRYPT_FAILED');
  });
});

describe('Rewrap', () => {
  it('needs one of its two inputs', async () => {
    const { engine, older } = world();
    const bytes = Buffer.alloc(4);
    for (const input of [{}, { wrappedDek: bytes, ciphertext: bytes }]) {
      expect((await rejection(engine.rewrap('a', input))).reason).toBe('REWRAP_INPUT_MISSING');
    }
    expect(older.callCount).toBe(0);
  });

  it('takes the tenant itself for a target, and no other, whether it exists or not', async () => {
    const { engine, older } = world();
    engine.serve('b', [new FakeKeyService('cmk-b')]);
    const { wrappedDek } = await engine.generate('a');
    await engine.rewrap('a', { wrappedDek }, { targetTenantId: 'a' });
    const before = older.callCount;
    for (const targetTenantId of ['b', 'nobody', 'not/a/tenant']) {
      const failure = await rejection(engine.rewrap('a', { wrappedDek }, { targetTenantId }));
      expect(failure.reason).toBe('CROSS_TENANT_DENIED');
    }
    expect(older.callCount).toBe(before);
  });

  it('fails with the reason of the current key where that does not wrap', async () => {
    const { engine, newer, change } = world();
    const { wrappedDek } = await engine.generate('a');
    change();
    newer.fault = { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false };
    expect((await rejection(engine.rewrap('a', { wrappedDek }))).reason).toBe('KEY_ACCESS_DENIED');
  });
});
