/** Faults on demand as a gRPC client sees them, which calls they meet, and the request quota. */
import { connect } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { rawClient } from '../../simulators/gcp/clients.ts';
import { crc32cValue } from '../../simulators/gcp/crc32c.ts';
import type { GcpFault } from '../../simulators/gcp/faults.ts';
import { prepareKey } from '../../simulators/gcp/prepared-key.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { connectRaw } from '../../support/raw-http2.ts';

const plaintext = Buffer.from('x');
const [ok, deadlineExceeded, resourceExhausted, unavailable] = [0, 4, 8, 14];

describe('a fault', () => {
  it.each<[GcpFault, number, string]>([
    [{ kind: 'error', code: 'UNAVAILABLE', status: 503, message: 'try again' }, unavailable, 'UNAVAILABLE'],
    [{ kind: 'error', code: 'INTERNAL', status: 500 }, 13, 'INTERNAL'],
    [{ kind: 'throttle' }, resourceExhausted, 'RESOURCE_EXHAUSTED'],
    [{ kind: 'reset' }, unavailable, 'fault:reset'],
    [{ kind: 'hang' }, deadlineExceeded, 'fault:hang'],
    [{ kind: 'half-open' }, deadlineExceeded, 'ok'],
    [{ kind: 'truncate' }, unavailable, 'ok'],
    [{ kind: 'trickle', msPerByte: 50 }, deadlineExceeded, 'ok'],
    [{ kind: 'html', status: 502 }, unavailable, 'fault:html'],
    [{ kind: 'html', status: 403 }, 7, 'fault:html'],
    // grpc-js does not look at the content type: it takes the page's first bytes for the length of a message too large.
    [{ kind: 'html', status: 200 }, resourceExhausted, 'fault:html'],
    [{ kind: 'latency', ms: 1 }, ok, 'ok'],
  ])('%j reaches the client once and then no more', async (fault, seen, recorded) => {
    await using prepared = await prepareKey();
    const { client, key, gcp } = prepared;
    // The connection stands before the fault comes, so that opening it takes no part of the deadline.
    await client.call('GetCryptoKey', { name: key.name });
    gcp.faults.add({ service: 'kms', operation: 'Encrypt', times: 1, fault });
    const call = () =>
      client.call('Encrypt', { name: key.name, plaintext }, { timeoutMs: 300 }).then(
        () => ok,
        (error: { code?: unknown }) => error.code,
      );
    expect(await call()).toBe(seen);
    expect(await call()).toBe(ok);
    const outcomes = gcp.calls.filter(({ operation }) => operation === 'Encrypt').map(({ outcome }) => outcome);
    expect(outcomes).toEqual([recorded, 'ok']);
  });

  it('may carry details', async () => {
    await using prepared = await prepareKey();
    const { client, key, gcp } = prepared;
    const violations = [{ type: 'KEY_ENABLED', subject: 'k', description: 'ü %' }];
    gcp.faults.add({
      fault: {
        kind: 'error',
        code: 'FAILED_PRECONDITION',
        status: 400,
        message: 'umlaut ü, 100 %',
        details: [
          { type: 'PreconditionFailure', violations },
          { type: 'DebugInfo', detail: 'text' },
        ],
      },
    });
    const refusal = await client.refusal('Encrypt', { name: key.name, plaintext });
    expect([refusal.code, refusal.message, refusal.violations]).toEqual([9, 'umlaut ü, 100 %', violations]);
    expect(refusal.details.get('DebugInfo')).toMatchObject({ detail: 'text' });
  });

  it.each([
    ['Encrypt', 'data', 'ciphertext'],
    ['Encrypt', 'checksum', 'ciphertextCrc32c'],
    ['Encrypt', 'no-checksum', 'ciphertextCrc32c'],
    ['Encrypt', 'unverified', 'verifiedPlaintextCrc32c'],
    ['Encrypt', 'version', 'name'],
    ['Decrypt', 'data', 'plaintext'],
    ['Decrypt', 'checksum', 'plaintextCrc32c'],
  ] as const)('corrupts the answer of %s in its %s, and nothing else', async (method, what, field) => {
    await using prepared = await prepareKey();
    const { client, key, gcp } = prepared;
    const { ciphertext } = await client.call('Encrypt', { name: key.name, plaintext });
    const request = { name: key.name, plaintext, ciphertext, plaintextCrc32c: crc32cValue(plaintext) };
    gcp.faults.add({ operation: method, times: 1, fault: { kind: 'corrupt', what } });
    const answer = await client.call(method, request);
    const data = answer['ciphertext'] ?? answer['plaintext'];
    if (!Buffer.isBuffer(data)) throw new Error('the answer has no data');
    const checksum = answer['ciphertextCrc32c'] ?? answer['plaintextCrc32c'];
    const wrong = {
      ...(isDeepStrictEqual(checksum, crc32cValue(data)) ? {} : { integrity: true }),
      ...(answer['verifiedPlaintextCrc32c'] === false ? { verifiedPlaintextCrc32c: true } : {}),
      ...(String(answer['name'] ?? key.versionName()) === key.versionName() ? {} : { name: true }),
    };
    const expected = what === 'unverified' || what === 'version' ? field : 'integrity';
    expect(wrong).toEqual({ [expected]: true });
    expect(await client.call('Decrypt', { name: key.name, ciphertext })).toMatchObject({ plaintext });
  });

  it('throttle tells how long to wait when asked to', async () => {
    await using prepared = await prepareKey();
    const { client, key, gcp } = prepared;
    const rule = gcp.faults.add({ fault: { kind: 'throttle', retryAfterSeconds: 3 } });
    const told = await client.refusal('Encrypt', { name: key.name, plaintext });
    expect(told.reason).toBe('RATE_LIMIT_EXCEEDED');
    expect(told.details.get('RetryInfo')).toMatchObject({ retryDelay: { seconds: '3' } });
    rule.remove();
    gcp.faults.add({ fault: { kind: 'throttle' } });
    const silent = await client.refusal('Encrypt', { name: key.name, plaintext });
    expect(silent.details.has('RetryInfo')).toBe(false);
  });

  it('latency delays the answer and nothing else', async () => {
    await using prepared = await prepareKey();
    const { client, key, gcp } = prepared;
    gcp.faults.add({ fault: { kind: 'latency', ms: 60 } });
    const started = performance.now();
    await client.call('Encrypt', { name: key.name, plaintext });
    expect(performance.now() - started).toBeGreaterThanOrEqual(55);
  });

  it('for one key meets that key alone, whichever version is named, until it is taken away', async () => {
    await using prepared = await prepareKey();
    const { client, key, gcp, account } = prepared;
    const other = gcp.createKey();
    gcp.grant(account.email, other.name, 'roles/cloudkms.cryptoKeyEncrypter');
    const rule = gcp.faults.add({ key: key.name, fault: { kind: 'error', code: 'UNAVAILABLE', status: 503 } });
    for (const name of [key.name, key.versionName()]) {
      expect((await client.refusal('Encrypt', { name, plaintext })).code).toBe(unavailable);
    }
    await client.call('Encrypt', { name: other.name, plaintext });
    rule.remove();
    await client.call('Encrypt', { name: key.name, plaintext });
  });

  it('reset breaks the connection under every call of the client', async () => {
    await using prepared = await prepareKey();
    const { client, key, gcp } = prepared;
    gcp.faults.add({ operation: 'GetCryptoKey', fault: { kind: 'hang' } });
    const waiting = client.refusal('GetCryptoKey', { name: key.name });
    while (gcp.calls.length === 0) await new Promise((done) => setTimeout(done, 1));
    gcp.faults.add({ operation: 'Encrypt', fault: { kind: 'reset' } });
    expect((await client.refusal('Encrypt', { name: key.name, plaintext })).code).toBe(unavailable);
    expect((await waiting).code).toBe(unavailable);
  });

  it('that hangs does not keep the simulator from closing', async () => {
    const prepared = await prepareKey();
    const { client, key, gcp } = prepared;
    gcp.faults.add({ fault: { kind: 'hang' } });
    const call = client.refusal('Encrypt', { name: key.name, plaintext });
    while (gcp.calls.length === 0) await new Promise((done) => setTimeout(done, 1));
    await gcp[Symbol.asyncDispose]();
    expect((await call).code).toBe(unavailable);
    client[Symbol.dispose]();
    const places = [gcp.endpoint, ...Object.values(gcp.authorities), `http://${gcp.metadataHost}`];
    for (const place of places) {
      const refused = await new Promise((done) => {
        connect(Number(new URL(place).port), '127.0.0.1').once('error', (error: NodeJS.ErrnoException) =>
          done(error.code),
        );
      });
      expect(refused).toBe('ECONNREFUSED');
    }
  });

  it('of a code that gRPC does not have is a mistake of the test, and ends the simulator with an error', async () => {
    const prepared = await prepareKey();
    const { key, gcp, client } = prepared;
    gcp.faults.add({ fault: { kind: 'error', code: 'InventedException', status: 418 } });
    await client.refusal('Encrypt', { name: key.name, plaintext }, { timeoutMs: 100 });
    client[Symbol.dispose]();
    await expect(gcp[Symbol.asyncDispose]()).rejects.toThrow('the Google Cloud simulator failed while it answered');
  });
});

describe('the wire', () => {
  it('refuses what is no gRPC, no whole message, too large a one, and methods that there are none of', async () => {
    await using prepared = await prepareKey();
    const { gcp } = prepared;
    const { host } = new URL(gcp.endpoint);
    using wire = connectRaw({ tcp: host }, host);
    const path = '/google.cloud.kms.v1.KeyManagementService/Encrypt';
    const plain = await wire.call({ path, headers: { 'content-type': 'application/json' }, messages: [] });
    expect([plain.status, plain.code]).toEqual([415, -1]);
    const ends = {
      empty: await wire.call({ path }),
      cut: await wire.call({ path, bytes: Buffer.from([0, 0, 0, 0, 9, 1]) }),
      compressed: await wire.call({ path, bytes: Buffer.from([1, 0, 0, 0, 0]) }),
      large: await wire.call({ path, bytes: Buffer.from([0, 0xff, 0, 0, 0]) }),
      unknown: await wire.call({ path: '/google.cloud.kms.v1.KeyManagementService/None', messages: [Buffer.alloc(0)] }),
      garbled: await wire.call({ path, messages: [Buffer.from([0x0f])] }),
    };
    expect(Object.fromEntries(Object.entries(ends).map(([name, end]) => [name, end.code]))).toEqual({
      empty: 13,
      cut: 13,
      compressed: 12,
      large: 8,
      unknown: 12,
      garbled: 13,
    });
  });
});

describe('the request quota', () => {
  it('throttles the project that asks, in each location for itself, and fills up with time', async () => {
    const clock = new FakeClock();
    await using prepared = await prepareKey({ clock });
    const { gcp, client, account } = prepared;
    gcp.setRateLimit(2);
    const elsewhere = gcp.createKey({ location: 'us-east1' });
    const stranger = gcp.createServiceAccount({ project: 'other' });
    using other = rawClient(gcp, stranger.accessToken());
    gcp.grant(account.email, `projects/${gcp.project}`, 'roles/cloudkms.cryptoKeyEncrypter');
    const ask = async (name = prepared.key.name) =>
      client.call('Encrypt', { name, plaintext }).then(
        () => ok,
        (error: { code?: unknown }) => error.code,
      );
    expect([await ask(), await ask(), await ask()]).toEqual([ok, ok, resourceExhausted]);
    expect(await ask(elsewhere.name)).toBe(ok);
    expect((await other.refusal('Encrypt', { name: prepared.key.name, plaintext })).code).toBe(7);
    clock.advance(500);
    expect([await ask(), await ask()]).toEqual([ok, resourceExhausted]);
    gcp.setRateLimit(undefined);
    expect(await ask()).toBe(ok);
  });
});
