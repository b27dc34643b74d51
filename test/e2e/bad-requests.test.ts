/** Requests that nobody should send: each gets a status that says what was wrong, and harms nothing. */
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { methodOf } from '../support/client.ts';
import { errorTold } from '../support/client-errors.ts';
import { rawAnswer, rawFailure } from '../support/client-raw-calls.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { connectRaw, type RawConnection } from '../support/raw-http2.ts';

const limit = 4 * 1024 * 1024;
const demo = { tenant_id: 'demo' };
const text = (length: number) => 'x'.repeat(length);
const pairs = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`name-${i}`, 'v']));

let daemon: Daemon;
let raw: RawConnection;
beforeAll(async () => {
  daemon = await startDaemon();
  raw = connectRaw({ socket: daemon.socket.slice('unix:'.length) }, 'localhost');
});
afterAll(async () => {
  raw[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
});

/** The connection that took the bad call takes a good one. */
async function expectUnharmed(): Promise<void> {
  expect(raw.alive).toBe(true);
  const plaintext = Buffer.from('still here');
  const { ciphertext } = await rawAnswer<{ ciphertext: Buffer }>(raw, 'Encrypt', { ...demo, plaintext });
  expect(await rawAnswer(raw, 'Decrypt', { ...demo, ciphertext })).toMatchObject({ plaintext });
}

/** Reason → code, as the error table and docs/errors.md have them; written out because clients rely on them. */
const codes = {
  TENANT_ID_INVALID: status.INVALID_ARGUMENT,
  TENANT_UNKNOWN: status.NOT_FOUND,
  REQUEST_MALFORMED: status.INVALID_ARGUMENT,
  MESSAGE_TOO_LARGE: status.RESOURCE_EXHAUSTED,
  CONTEXT_RESERVED: status.INVALID_ARGUMENT,
  CONTEXT_INVALID: status.INVALID_ARGUMENT,
  DEK_LENGTH_INVALID: status.INVALID_ARGUMENT,
  DEK_SOURCE_INVALID: status.INVALID_ARGUMENT,
  REWRAP_INPUT_MISSING: status.INVALID_ARGUMENT,
  CROSS_TENANT_DENIED: status.PERMISSION_DENIED,
} as const;

interface BadRequest {
  readonly name: string;
  readonly method?: string;
  readonly message: () => object | Buffer;
  readonly reason: keyof typeof codes;
  readonly metadata?: Readonly<Record<string, string>>;
}

const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
/** `tenant_id: demo` in protobuf's bytes. */
const tenantField = '0a 04 64656d6f';
/** A pair of field 3, `a` = `b`. */
const pairField = '1a 06 0a0161 120162';

const tenants: BadRequest[] = [
  { name: 'no tenant', message: () => ({}), reason: 'TENANT_ID_INVALID' },
  { name: 'an empty tenant', message: () => ({ tenant_id: '' }), reason: 'TENANT_ID_INVALID' },
  { name: 'a tenant of 129 characters', message: () => ({ tenant_id: text(129) }), reason: 'TENANT_ID_INVALID' },
  { name: 'a tenant of a megabyte', message: () => ({ tenant_id: text(1 << 20) }), reason: 'TENANT_ID_INVALID' },
  ...['demo/../demo-2', 'demo ', 'dem\u00f6', 'demo\0', 'demo\n', '*', '%64emo', '{demo}'].map(
    (tenant): BadRequest => ({
      name: `the tenant ${JSON.stringify(tenant)}`,
      message: () => ({ tenant_id: tenant }),
      reason: 'TENANT_ID_INVALID',
    }),
  ),
  ...['nobody', text(128), 'DEMO', 'demo-3', '..', '__proto__', 'constructor', 'toString'].map(
    (tenant): BadRequest => ({
      name: `the tenant ${tenant.slice(0, 20)}`,
      message: () => ({ tenant_id: tenant }),
      reason: 'TENANT_UNKNOWN',
    }),
  ),
];

const reserved = [
  ...['tenant_id', 'Tenant_Id', 'TENANT_ID', 'tenant_iD'],
  ...['aws-crypto-', 'aws-crypto-public-key', 'AWS-Crypto-x', 'AWS-CRYPTO-PUBLIC-KEY'],
  ...['keyproxy-', 'keyproxy-ad', 'KeyProxy-AD', 'KEYPROXY-ANYTHING'],
];

const contexts: BadRequest[] = [
  ...reserved.map(
    (name): BadRequest => ({
      name: `a context with the reserved name ${name}`,
      message: () => ({ ...demo, encryption_context: { purpose: 'orders', [name]: '1' } }),
      reason: 'CONTEXT_RESERVED',
    }),
  ),
  {
    name: 'a context with an empty name',
    message: () => ({ ...demo, encryption_context: { '': 'v' } }),
    reason: 'CONTEXT_INVALID',
  },
  {
    name: 'a context of 65 pairs',
    message: () => ({ ...demo, encryption_context: pairs(65) }),
    reason: 'CONTEXT_INVALID',
    metadata: { limit: 'encryption_context_pairs', limit_value: '64' },
  },
  {
    name: 'a context of 50,000 pairs',
    message: () => ({ ...demo, encryption_context: pairs(50_000) }),
    reason: 'CONTEXT_INVALID',
    metadata: { limit: 'encryption_context_pairs', limit_value: '64' },
  },
  ...[8192, 65_535, 65_536, 1 << 20].map(
    (length): BadRequest => ({
      name: `a context with a value of ${length} bytes`,
      message: () => ({ ...demo, encryption_context: { purpose: text(length) } }),
      reason: 'CONTEXT_INVALID',
      metadata: { limit: 'encryption_context_bytes', limit_value: '8192' },
    }),
  ),
];

const messages: BadRequest[] = [
  ['a field that ends early', `${tenantField} 12 05 01`],
  ['a field of four gigabytes', `${tenantField} 12 ff ff ff ff 0f`],
  ['a length of 2^64 - 1', `${tenantField} 12 ff ff ff ff ff ff ff ff ff 01`],
  ['a number of 11 bytes', `${tenantField} ff ff ff ff ff ff ff ff ff ff 01`],
  ['a field of number 0', `${tenantField} 02 00`],
  ['an unknown wire type', `${tenantField} 17 00`],
  ['a group that never ends', `${tenantField} ${'33'.repeat(40)}`],
  ['a tenant of invalid UTF-8', '0a 04 64 ff 6d 6f'],
  ['a tenant with half a surrogate pair', '0a 03 ed a0 80'],
  ['a context name of invalid UTF-8', `${tenantField} 1a 06 0a01ff 120162`],
  ['a context value of overlong UTF-8', `${tenantField} 1a 07 0a0161 1202c080`],
  ['the same context name twice', `${tenantField} ${pairField} ${pairField}`],
  ['a pair that ends early', `${tenantField} 1a 04 0a05 6162`],
].map(([name = '', hex = '']) => ({ name, message: () => bytes(hex), reason: 'REQUEST_MALFORMED' }));

const keys: BadRequest[] = [
  ...[1, 15, 17, 31, 33, 48, 65, 65_536, 4_294_967_295].map(
    (count): BadRequest => ({
      name: `a data key of ${count} bytes`,
      method: 'GenerateDEK',
      message: () => ({ ...demo, number_of_bytes: count }),
      reason: 'DEK_LENGTH_INVALID',
    }),
  ),
  ...['03', '7f', 'ffffffff07', 'ffffffffffffffffff01'].map(
    (source): BadRequest => ({
      name: `a data key from the unknown source ${source}`,
      method: 'GenerateDEK',
      message: () => bytes(`${tenantField} 18 ${source}`),
      reason: 'DEK_SOURCE_INVALID',
    }),
  ),
  { name: 'a rewrap of nothing', method: 'Rewrap', message: () => demo, reason: 'REWRAP_INPUT_MISSING' },
  {
    name: 'a rewrap of both',
    method: 'Rewrap',
    message: () => bytes(`${tenantField} 12 01 01 1a 01 02`),
    reason: 'REWRAP_INPUT_MISSING',
  },
  {
    name: 'a rewrap for another tenant',
    method: 'Rewrap',
    message: () => ({ ...demo, ciphertext: Buffer.from('x'), target_tenant_id: 'demo-2' }),
    reason: 'CROSS_TENANT_DENIED',
  },
];

const tooLarge = { limit: 'max_message_bytes', limit_value: String(limit) };
const sizes: BadRequest[] = [
  {
    name: 'a request one byte over the limit',
    message: () => Buffer.alloc(limit + 1),
    reason: 'MESSAGE_TOO_LARGE',
    metadata: { ...tooLarge, size: String(limit + 1) },
  },
  {
    name: 'a request of twice the limit and a byte',
    message: () => Buffer.alloc(2 * limit + 1),
    reason: 'MESSAGE_TOO_LARGE',
    metadata: tooLarge,
  },
  {
    name: 'a request of eight times the limit',
    message: () => Buffer.alloc(8 * limit),
    reason: 'MESSAGE_TOO_LARGE',
    metadata: tooLarge,
  },
  {
    name: 'a request whose response is over the limit',
    message: () => ({ ...demo, plaintext: Buffer.alloc(limit - 100) }),
    reason: 'MESSAGE_TOO_LARGE',
    metadata: tooLarge,
  },
];

describe('one connection goes on after', () => {
  test.each([...tenants, ...contexts, ...messages, ...keys, ...sizes])('$name', async (bad) => {
    const told = await rawFailure(raw, bad.method ?? 'Encrypt', bad.message());
    expect(told).toMatchObject({ code: codes[bad.reason], domain: 'keyproxy', reason: bad.reason });
    expect(told.metadata).toMatchObject(bad.metadata ?? {});
    if (bad.metadata !== undefined) expect(told.message).toContain(bad.metadata['limit_value']);
    expect(told.retryAfterMs).toBeUndefined();
    await expectUnharmed();
  });

  test('a frame that claims four gigabytes', async () => {
    const head = Buffer.from('00ffffffff', 'hex');
    const { path } = methodOf('Encrypt');
    const end = await raw.call({ path, bytes: Buffer.concat([head, Buffer.alloc(100)]) });
    const told = errorTold(end.code, end.message, end.details);
    expect(told).toMatchObject({ code: status.RESOURCE_EXHAUSTED, domain: 'keyproxy', reason: 'MESSAGE_TOO_LARGE' });
    // grpc-js does not know the size.
    expect(told.metadata).toMatchObject(tooLarge);
    await expectUnharmed();
  });

  test.each(['/keyproxy.v1.KeyProxy/Shred', '/keyproxy.v1.KeyProxy/', '/nobody.v1.Nothing/Encrypt', '/', '/metrics'])(
    'a call of %s, which is UNIMPLEMENTED',
    async (path) => {
      const end = await raw.call({ path, messages: [Buffer.alloc(0)] });
      expect(end.code).toBe(status.UNIMPLEMENTED);
      await expectUnharmed();
    },
  );

  test('a call that is no gRPC', async () => {
    const end = await raw.call({ path: methodOf('Encrypt').path, headers: { 'content-type': 'text/html' } });
    expect(end.status).toBe(415);
    await expectUnharmed();
  });

  test('a frame that ends early, and a call without any', async () => {
    const { path } = methodOf('Encrypt');
    for (const sent of [Buffer.from('00000000ff01', 'hex'), Buffer.from('0000', 'hex'), Buffer.alloc(0)]) {
      const end = await raw.call({ path, bytes: sent });
      expect(end.code).toBeGreaterThan(0);
    }
    await expectUnharmed();
  });

  test('a message that says it is compressed and is not', async () => {
    const { path } = methodOf('Encrypt');
    const sent = Buffer.from('010000000401020304', 'hex');
    const end = await raw.call({ path, bytes: sent, headers: { 'grpc-encoding': 'gzip' } });
    expect(end.code).toBeGreaterThan(0);
    await expectUnharmed();
  });
});

test('a context at its bounds is served: 64 pairs, 8192 bytes', async () => {
  const value = text(8192 - 2 - (4 + 'tenant_id'.length + 'demo'.length) - (4 + 'purpose'.length));
  for (const encryption_context of [pairs(64), { purpose: value }]) {
    await rawAnswer(raw, 'Encrypt', { ...demo, encryption_context, plaintext: Buffer.from('x') });
  }
});
