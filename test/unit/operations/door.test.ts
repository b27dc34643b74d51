/** The door that every verb goes through: who may, how much, what is recorded, and when. */
import { describe, expect, it } from 'vitest';
import type { Caller } from '../../../src/base/caller.ts';
import { type Verb, verbs } from '../../../src/base/verb.ts';
import { encrypt } from '../../../src/operations/encrypt.ts';
import { generateDek } from '../../../src/operations/generate-dek.ts';
import { unwrap } from '../../../src/operations/unwrap.ts';
import { FakeAudit } from '../../support/fake-audit.ts';
import { FakeEngine, type FakeEngineOptions, pairs, rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { WatchedEngine } from '../../support/watched-engine.ts';

const none = Buffer.alloc(0);
const settled = () => new Promise((done) => setImmediate(done));

function world(options: FakeEngineOptions = {}) {
  const audit = new FakeAudit();
  const key = new FakeKeyService('cmk-a');
  const engine = new FakeEngine({ audit, ...options });
  engine.serve('a', [key]);
  return { audit, engine, key };
}

const signal = () => new AbortController().signal;

describe('a call that the policy does not allow', () => {
  const only = (verb: Verb) => ({ access: () => new Set([verb]) });

  it.each(verbs.filter((verb) => verb !== 'encrypt'))('is denied, counted and recorded: %s', async (verb) => {
    const { audit, engine, key } = world(only('encrypt'));
    const calls: Record<Verb, () => Promise<unknown>> = {
      generate_dek: () => engine.generate('a'),
      unwrap: () => engine.unwrap('a', none),
      encrypt: () => engine.encrypt('a', 'x'),
      decrypt: () => engine.decrypt('a', none),
      rewrap: () => engine.rewrap('a', { wrappedDek: none }),
      describe_tenant: () => engine.describe('a'),
    };
    expect((await rejection(calls[verb]())).reason).toBe('ACCESS_DENIED');
    await calls.encrypt();
    expect(audit.lines.slice(0, 2)).toEqual([`end ${verb} a socket denied ACCESS_DENIED`, 'begin encrypt a socket']);
    expect(engine.events).toContain(`socket denied ${verb} for a`);
    expect(key.callCount).toBe(1);
  });

  it('holds from the moment in which the policy changes', async () => {
    let allowed: readonly Verb[] = verbs;
    const { engine } = world({ access: () => new Set(allowed) });
    await engine.encrypt('a', 'x');
    allowed = [];
    await engine.encrypt('a', 'x');
    engine.engine.standings.policyChanged();
    expect((await rejection(engine.encrypt('a', 'x'))).reason).toBe('ACCESS_DENIED');
  });
});

describe('the record of a call', () => {
  it('has an entry before the key is touched, and its outcome after', async () => {
    const { audit, engine } = world();
    const { ciphertext } = await engine.encrypt('a', 'x');
    await engine.decrypt('a', ciphertext);
    await engine.decrypt('a', Buffer.from('no message')).catch(() => {});
    expect(audit.lines).toEqual([
      'begin encrypt a socket',
      'end encrypt a socket ok cmk-a',
      'begin decrypt a socket',
      'end decrypt a socket ok cmk-a',
      'begin decrypt a socket',
      'end decrypt a socket failed DECRYPT_FAILED cmk-a',
    ]);
  });

  it('is written before anything leaves for the key service, and before the answer', async () => {
    const { audit, engine, key } = world();
    const { promise, resolve } = Promise.withResolvers<void>();
    audit.written = promise;
    let isAnswered = false;
    const call = engine.encrypt('a', 'x').then(() => {
      isAnswered = true;
    });
    await settled();
    expect([audit.lines, key.callCount]).toEqual([['begin encrypt a socket'], 0]);
    resolve();
    const later = Promise.withResolvers<void>();
    audit.written = later.promise;
    await settled();
    expect([audit.lines.length, key.callCount, isAnswered]).toEqual([2, 1, false]);
    later.resolve();
    await call;
  });

  it('is not waited for where the key is in memory, but for the answer', async () => {
    const { audit, engine } = world();
    const { ciphertext } = await engine.encrypt('a', 'x');
    const { promise, resolve } = Promise.withResolvers<void>();
    audit.written = promise;
    const call = engine.decrypt('a', ciphertext);
    await settled();
    expect(audit.lines.at(-1)).toBe('end decrypt a socket ok cmk-a');
    resolve();
    expect((await call).plaintext.toString()).toBe('x');
  });

  it('has only failures where a tenant wants no more', async () => {
    const { audit, engine, key } = world();
    engine.serve('b', [key], { audit: { logAll: false, alertOnFailures: true } });
    await engine.encrypt('b', 'x');
    await engine.decrypt('b', Buffer.from('no message')).catch(() => {});
    expect(audit.lines).toEqual(['end decrypt b socket failed DECRYPT_FAILED cmk-a']);
  });

  it('has calls for tenants that there are not', async () => {
    const { audit, engine } = world();
    await engine.encrypt('b', 'x').catch(() => {});
    expect(audit.lines).toEqual(['end encrypt b socket failed TENANT_UNKNOWN']);
  });
});

describe('an answer', () => {
  it.each(['encrypt', 'generate', 'unwrap', 'decrypt', 'rewrap'] as const)(
    'does not leave after a no that came while the audit wrote: %s',
    async (name) => {
      const key = new FakeKeyService('cmk-a');
      const engine = new WatchedEngine();
      const tenant = engine.watch({ current: key });
      const { wrappedDek } = await engine.generate('a');
      const { ciphertext } = await engine.encrypt('a', 'x');
      const calls = {
        encrypt: () => engine.encrypt('a', 'x'),
        generate: () => engine.generate('a'),
        unwrap: () => engine.unwrap('a', wrappedDek),
        decrypt: () => engine.decrypt('a', ciphertext),
        rewrap: () => engine.rewrap('a', { ciphertext }),
      };
      const gate = Promise.withResolvers<void>();
      engine.audit.written = gate.promise;
      const call = rejection(calls[name]());
      await settled();
      key.fault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
      await tenant.current.ask();
      gate.resolve();
      expect((await call).reason).toBe('KEY_DISABLED');
    },
  );
});

describe('where the audit cannot be written', () => {
  it('nothing is done', async () => {
    const { audit, engine, key } = world();
    audit.isFailing = true;
    expect((await rejection(engine.encrypt('a', 'x'))).reason).toBe('AUDIT_UNAVAILABLE');
    expect(key.callCount).toBe(0);
    audit.isFailing = false;
    await engine.encrypt('a', 'x');
  });

  it('no answer is given, and what was in it is wiped', async () => {
    const { audit, engine } = world();
    const { wrappedDek } = await engine.generate('a');
    const failing = (run: () => Promise<unknown>) => {
      const call = run();
      audit.isFailing = true;
      return rejection(call).finally(() => {
        audit.isFailing = false;
      });
    };
    const request = { tenantId: 'a', encryptionContext: pairs() };
    const caller: Caller = { kind: 'socket' };
    const dek = { ...request, source: 0, numberOfBytes: 0, withoutPlaintext: false };
    expect((await failing(() => generateDek(engine.engine)(caller, dek, signal()))).reason).toBe('AUDIT_UNAVAILABLE');
    const opened = await failing(() => unwrap(engine.engine)(caller, { ...request, wrappedDek }, signal()));
    expect(opened.reason).toBe('AUDIT_UNAVAILABLE');
    // The lease of the answer is back: what is unwrapped now is whole.
    using again = await unwrap(engine.engine)(caller, { ...request, wrappedDek }, signal());
    expect(again.plaintext.reveal().some((byte) => byte !== 0)).toBe(true);
  });
});

describe('the limits of a caller', () => {
  it('hold for calls at a time, for each tenant', async () => {
    const { audit, engine, key } = world({ limits: { concurrentCalls: 2 } });
    engine.serve('b', [key]);
    const { promise, resolve } = Promise.withResolvers<void>();
    audit.written = promise;
    const calls = [engine.encrypt('a', '1'), engine.encrypt('a', '2')];
    const third = await rejection(engine.encrypt('a', '3'));
    expect(third).toMatchObject({ reason: 'CALLER_OVER_LIMIT', retryAfterMs: 1000 });
    const beside = engine.encrypt('b', '1');
    resolve();
    await Promise.all([...calls, beside]);
    await engine.encrypt('a', '3');
  });

  it('hold for calls a second, under each name', async () => {
    const { engine } = world({ limits: { callsPerSecond: 2 } });
    const call = (caller: Caller) =>
      encrypt(engine.engine)(
        caller,
        { tenantId: 'a', plaintext: none, encryptionContext: pairs(), associatedData: none },
        signal(),
      );
    const orders = (): Caller => ({ kind: 'service_account', namespace: 'shop', name: 'orders' });
    await call(orders());
    await call(orders());
    expect((await rejection(call(orders()))).reason).toBe('CALLER_OVER_LIMIT');
    await call({ kind: 'service_account', namespace: 'shop', name: 'billing' });
    engine.clock.advance(500);
    await call(orders());
    expect((await rejection(call(orders()))).reason).toBe('CALLER_OVER_LIMIT');
  });

  it('hold for decryptions that fail at the same time', async () => {
    const { engine } = world({ limits: { failedDecryptionsPerMinute: 60 } });
    const attempt = async () => (await rejection(engine.decrypt('a', none))).reason;
    const first = await Promise.all(Array.from({ length: 500 }, attempt));
    expect(new Set(first)).toEqual(new Set(['DECRYPT_FAILED']));
    engine.clock.advance(60_000);
    expect(await attempt()).toBe('CALLER_OVER_LIMIT');
    engine.clock.advance(61_000);
    expect(await attempt()).toBe('DECRYPT_FAILED');
  });

  it('hold for calls that are denied, so that nobody fills the audit', async () => {
    const { audit, engine } = world({ access: () => new Set() });
    for (let i = 0; i < 600; i++) expect((await rejection(engine.encrypt(`t${i}`, 'x'))).reason).toBe('ACCESS_DENIED');
    expect((await rejection(engine.encrypt('a', 'x'))).reason).toBe('CALLER_OVER_LIMIT');
    expect(audit.lines).toHaveLength(600);
    engine.clock.advance(100);
    expect((await rejection(engine.encrypt('a', 'x'))).reason).toBe('ACCESS_DENIED');
  });

  it('end a search for data that opens, and nothing else', async () => {
    const { engine } = world({ limits: { failedDecryptionsPerMinute: 60 } });
    for (let i = 0; i < 60; i++) {
      expect((await rejection(engine.decrypt('a', Buffer.of(i)))).reason).toBe('DECRYPT_FAILED');
    }
    const { ciphertext } = await engine.encrypt('a', 'x');
    expect((await rejection(engine.decrypt('a', ciphertext))).reason).toBe('CALLER_OVER_LIMIT');
    engine.clock.advance(1_000);
    expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
  });
});
