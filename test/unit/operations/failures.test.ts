/** How operations fail: a decryption in one way only, everything else with the reason of whoever said no. */
import { describe, expect, it } from 'vitest';
import { serializeEntries } from '../../../src/base/encrypted-data-key.ts';
import { EncryptionContext } from '../../../src/base/encryption-context.ts';
import { KeyproxyError, type Reason } from '../../../src/base/errors.ts';
import { parseHeader } from '../../../src/envelope/header.ts';
import { messageLimits } from '../../../src/envelope/limits.ts';
import type { KmsFault } from '../../../src/kms/fault.ts';
import { kmsFailure } from '../../../src/operations/failures.ts';
import { wireStatus } from '../../../src/rpc/status.ts';
import { FakeEngine, rejection, type VerbOptions } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';

const orders = { purpose: 'orders' };

/** A message of tenant `a`, and a daemon that has never seen it, which serves `a` and `b` under one key. */
async function world(ad?: string) {
  const key = new FakeKeyService('shared');
  const writer = new FakeEngine();
  writer.serve('a', [key]);
  const options: VerbOptions = { context: orders, ...(ad !== undefined && { ad }) };
  const { ciphertext } = await writer.encrypt('a', 'text', options);
  const { wrappedDek } = await writer.generate('a', { context: orders });
  const reader = new FakeEngine();
  reader.serve('a', [key]);
  reader.serve('b', [key]);
  const calls = key.callCount;
  return { key, ciphertext, wrappedDek, reader, callsSince: () => key.callCount - calls };
}

/** Everything that a caller can see of a failure. */
function seen(error: KeyproxyError): object {
  const { reason, message, metadata, retryAfterMs } = error;
  return { reason, message, metadata, retryAfterMs, wire: wireStatus(error).details.toString('hex') };
}

const decryptFailed = seen(new KeyproxyError('DECRYPT_FAILED'));

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** A version 1 message without commitment, complete up to a tag that nobody made. */
function olderMessage(entries: Buffer): Buffer {
  const { serialized } = EncryptionContext.of([['tenant_id', 'a']]);
  const length = Buffer.from([serialized.length >> 8, serialized.length & 0xff]);
  const front = Buffer.concat([Buffer.from('01800178', 'hex'), Buffer.alloc(16, 7), length, serialized]);
  const content = Buffer.from('02000000000c00001000', 'hex');
  return Buffer.concat([front, Buffer.from([0, 1]), entries, content, Buffer.alloc(12 + 16)]);
}

type World = Awaited<ReturnType<typeof world>>;

/** Name, the call, and how many calls to the key service it may cost: none before the cheap checks are through. */
const failing: [string, (w: World) => Promise<unknown>, number][] = [
  ['no bytes', ({ reader }) => reader.decrypt('a', Buffer.alloc(0)), 0],
  ['bytes that are no message', ({ reader }) => reader.decrypt('a', Buffer.alloc(500, 2)), 0],
  [
    'a message that is cut in its header',
    ({ reader, ciphertext }) => reader.decrypt('a', ciphertext.subarray(0, 60)),
    0,
  ],
  ['another tenant', ({ reader, ciphertext }) => reader.decrypt('b', ciphertext), 0],
  ['another context', ({ reader, ciphertext }) => reader.decrypt('a', ciphertext, { context: { purpose: 'mail' } }), 0],
  ['associated data that is not expected', ({ reader, ciphertext }) => reader.decrypt('a', ciphertext, { ad: 'x' }), 0],
  [
    'a key that is none of the tenant',
    ({ reader, ciphertext }) => {
      reader.serve('a', [new FakeKeyService('another')]);
      return reader.decrypt('a', ciphertext);
    },
    0,
  ],
  [
    'a suite without commitment',
    ({ reader, ciphertext }) =>
      reader.decrypt('a', olderMessage(serializeEntries(parseHeader(ciphertext, messageLimits).entries))),
    0,
  ],
  ['a message that is cut in its body', ({ reader, ciphertext }) => reader.decrypt('a', ciphertext.subarray(0, -1)), 1],
  [
    'a byte behind the end',
    ({ reader, ciphertext }) => reader.decrypt('a', Buffer.concat([ciphertext, Buffer.of(0)])),
    1,
  ],
  [
    'a changed byte in the last tag',
    ({ reader, ciphertext }) => reader.decrypt('a', flipped(ciphertext, ciphertext.length - 1)),
    1,
  ],
  [
    'a wrapped DEK of another tenant',
    ({ reader, wrappedDek }) => reader.unwrap('b', wrappedDek, { context: orders }),
    1,
  ],
  ['a wrapped DEK under another context', ({ reader, wrappedDek }) => reader.unwrap('a', wrappedDek), 1],
  ['a wrapped DEK that is cut', ({ reader, wrappedDek }) => reader.unwrap('a', wrappedDek.subarray(0, 20)), 0],
  ['a message for a wrapped DEK', ({ reader, ciphertext }) => reader.unwrap('a', ciphertext), 0],
  ['a wrapped DEK for a message', ({ reader, wrappedDek }) => reader.decrypt('a', wrappedDek), 0],
];

describe('a decryption that fails because of', () => {
  it.each(failing)('%s looks like every other from outside', async (_name, call, calls) => {
    const w = await world();
    expect(seen(await rejection(call(w)))).toEqual(decryptFailed);
    expect(w.callsSince()).toBe(calls);
  });

  it.each([undefined, 'row 1'])('any one changed byte of a message with associated data %j does so too', async (ad) => {
    const { reader, ciphertext } = await world(ad);
    const options = ad === undefined ? {} : { ad };
    for (let at = 0; at < ciphertext.length; at++) {
      expect(seen(await rejection(reader.decrypt('a', flipped(ciphertext, at), options)))).toEqual(decryptFailed);
    }
  });

  it('any one changed byte of a wrapped DEK does so too', async () => {
    const { reader, wrappedDek } = await world();
    for (let at = 0; at < wrappedDek.length; at++) {
      const failure = await rejection(reader.unwrap('a', flipped(wrappedDek, at), { context: orders }));
      expect(seen(failure)).toEqual(decryptFailed);
    }
  });

  it.each(['missing', 'other'])('%s associated data does so too', async (which) => {
    const { reader, ciphertext, callsSince } = await world('row 1');
    const options = which === 'missing' ? {} : { ad: 'row 2' };
    expect(seen(await rejection(reader.decrypt('a', ciphertext, options)))).toEqual(decryptFailed);
    expect(callsSince()).toBe(which === 'missing' ? 0 : 1);
  });

  it('an older suite reaches the key service where the tenant reads them all', async () => {
    const { reader, ciphertext, key, callsSince } = await world();
    reader.serve('a', [key], { suites: 'all' });
    const message = olderMessage(serializeEntries(parseHeader(ciphertext, messageLimits).entries));
    expect(seen(await rejection(reader.decrypt('a', message)))).toEqual(decryptFailed);
    expect(callsSince()).toBe(1);
  });

  it('more than 16 entries, or a count of 65,535, costs no call', async () => {
    const { reader, ciphertext, callsSince } = await world();
    const header = parseHeader(ciphertext, messageLimits);
    const countAt = 3 + 32 + 2 + header.context.serialized.length;
    for (const count of [0, 17, 65_535]) {
      const changed = Buffer.from(ciphertext);
      changed.writeUInt16BE(count, countAt);
      expect(seen(await rejection(reader.decrypt('a', changed)))).toEqual(decryptFailed);
    }
    expect(callsSince()).toBe(0);
  });

  it('the observer alone learns that it failed, with its reason', async () => {
    const { reader, ciphertext } = await world();
    await rejection(reader.decrypt('b', ciphertext));
    expect(reader.events).toEqual(['b decryption DECRYPT_FAILED']);
  });
});

const faults: [KmsFault, Reason, number | undefined][] = [
  [{ kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true }, 'KEY_DISABLED', undefined],
  [{ kind: 'refusal', reason: 'KEY_PENDING_DELETION', keyWide: true }, 'KEY_PENDING_DELETION', undefined],
  [{ kind: 'refusal', reason: 'KEY_STATE_INVALID', keyWide: false }, 'KEY_STATE_INVALID', undefined],
  [{ kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false }, 'KEY_ACCESS_DENIED', undefined],
  [{ kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true }, 'ROLE_DENIED', undefined],
  [{ kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' }, 'KEY_SERVICE_UNAVAILABLE', 1000],
  [{ kind: 'outage', reason: 'KEY_SERVICE_THROTTLED', retryAfterMs: 250 }, 'KEY_SERVICE_THROTTLED', 250],
  [{ kind: 'ambiguous', reason: 'KEY_STATE_INVALID' }, 'KEY_STATE_INVALID', undefined],
  [{ kind: 'ambiguous', reason: 'KEY_NOT_FOUND' }, 'KEY_NOT_FOUND', undefined],
  [{ kind: 'credentials' }, 'KEY_SERVICE_CREDENTIALS', 1000],
  [{ kind: 'config', reason: 'KEY_UNSUITABLE' }, 'KEY_UNSUITABLE', undefined],
];

describe('a key service that fails with', () => {
  it.each(faults)(
    '%j gives its own reason to every verb, and a wait only where waiting helps',
    async (fault, reason, wait) => {
      const { key, reader, ciphertext, wrappedDek } = await world();
      key.fault = fault;
      const context = { context: orders };
      const calls = [
        () => reader.encrypt('a', 'x'),
        () => reader.generate('a', { source: 1 }),
        () => reader.generate('a', { source: 2 }),
        () => reader.decrypt('a', ciphertext),
        () => reader.unwrap('a', wrappedDek, context),
        () => reader.rewrap('a', { wrappedDek }, context),
        () => reader.rewrap('a', { ciphertext }),
      ];
      for (const call of calls) {
        const failure = await rejection(call());
        expect([failure.reason, failure.retryAfterMs]).toEqual([reason, wait]);
        expect(failure.metadata).toMatchObject({ provider: 'local', provider_code: `Fake${fault.kind}` });
        expect(failure.metadata['provider_request_id']).toMatch(/^request-\d+$/);
        expect(JSON.stringify(seen(failure))).not.toContain('text of the provider');
      }
      expect(reader.cache.count()).toBe(0);
    },
  );

  it('a fault of the data tells nothing of itself', async () => {
    const { key, reader, ciphertext } = await world();
    key.fault = { kind: 'data' };
    expect(seen(await rejection(reader.decrypt('a', ciphertext)))).toEqual(decryptFailed);
  });

  it('an outage leaves cached keys alone', async () => {
    const { key, reader, ciphertext } = await world();
    await reader.decrypt('a', ciphertext);
    key.fault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
    expect((await reader.decrypt('a', ciphertext)).plaintext.toString()).toBe('text');
  });

  it('an error of no kind that is known becomes INTERNAL without its text', () => {
    const failure = kmsFailure(new Error('secret text'));
    expect(failure.reason).toBe('INTERNAL');
    expect(failure.message).not.toContain('secret text');
  });

  it('a failure of keyproxy itself passes through', () => {
    const failure = new KeyproxyError('KEY_SERVICE_MISCONFIGURED');
    expect(kmsFailure(failure)).toBe(failure);
  });
});

describe('a tenant whose keys cannot be opened', () => {
  it('fails with the reason, and tries again at the next call', async () => {
    const key = new FakeKeyService('cmk-a');
    const engine = new FakeEngine();
    let tries = 0;
    const tenant = engine.serve('a', [key], {}, async () => {
      tries += 1;
      throw new KeyproxyError('KEY_SERVICE_MISCONFIGURED');
    });
    expect(tenant.ring).toBeUndefined();
    for (let i = 0; i < 2; i++) {
      expect((await rejection(engine.encrypt('a', 'x'))).reason).toBe('KEY_SERVICE_MISCONFIGURED');
    }
    expect(tries).toBe(2);
  });
});
