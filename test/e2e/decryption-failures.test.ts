/**
 * Everything that can be wrong with a ciphertext or a wrapped DEK is one failure from outside, to the byte; thousands of
 * them cost the daemon no memory and its other callers nothing.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errorTold } from '../support/client-errors.ts';
import { rawAnswer, rawEnd } from '../support/client-raw-calls.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { connectRaw, type RawConnection, type RawEnd } from '../support/raw-http2.ts';

const demo = { tenant_id: 'demo', encryption_context: { purpose: 'orders' } };
const plaintext = Buffer.from('a small record');
const rowId = Buffer.from('row 17');

let daemon: Daemon;
let raw: RawConnection;
let ciphertext: Buffer;
let bound: Buffer;
let wrapped: Buffer;
let straight: Buffer;
beforeAll(async () => {
  // A small heap: what is garbage does not hide what would be a leak.
  const env = {
    NODE_OPTIONS: '--max-semi-space-size=1 --max-old-space-size=48',
    KEYPROXY_LIMITS_FAILED_DECRYPTIONS_PER_MINUTE: '1000000',
  };
  daemon = await startDaemon({ env, hardening: 'by itself' });
  raw = connectRaw({ socket: daemon.socket.slice('unix:'.length) }, 'localhost');
  ciphertext = await encrypted({ ...demo, plaintext });
  bound = await encrypted({ ...demo, plaintext, associated_data: rowId });
  wrapped = await generated('DEK_SOURCE_DERIVED');
  straight = await generated('DEK_SOURCE_KMS');
});
afterAll(async () => {
  raw[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
});

async function encrypted(request: object): Promise<Buffer> {
  return (await rawAnswer<{ ciphertext: Buffer }>(raw, 'Encrypt', request)).ciphertext;
}

async function generated(source: string): Promise<Buffer> {
  return (await rawAnswer<{ wrapped_dek: Buffer }>(raw, 'GenerateDEK', { ...demo, source })).wrapped_dek;
}

/** The one answer that all failures give, written out: clients and dashboards rely on it. */
function expectTheOneFailure(end: RawEnd): void {
  expect(errorTold(end.code, end.message, end.details)).toMatchObject({
    code: status.INVALID_ARGUMENT,
    message: 'decryption failed',
    domain: 'keyproxy',
    reason: 'DECRYPT_FAILED',
    metadata: {},
  });
  expect(end.messages).toEqual([]);
}

/** Makes the calls, many at a time, and insists that all of their ends are one and the same. */
async function expectAllAlike(method: string, requests: readonly object[]): Promise<void> {
  const different = new Set<string>();
  let last: RawEnd | undefined;
  for (let start = 0; start < requests.length; start += 100) {
    for (const end of await Promise.all(requests.slice(start, start + 100).map((each) => rawEnd(raw, method, each)))) {
      different.add(JSON.stringify([end.headers, end.messages]));
      last = end;
    }
  }
  expect(different.size).toBe(1);
  if (last !== undefined) expectTheOneFailure(last);
}

function changed(bytes: Buffer, at: number, mask: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ mask;
  return copy;
}

/** Every position with every mask. */
function allChanges(bytes: Buffer): Buffer[] {
  return [...bytes.keys()].flatMap((at) => [0x01, 0x80, 0xff].map((mask) => changed(bytes, at, mask)));
}

function allCuts(bytes: Buffer): Buffer[] {
  return [...bytes.keys()].map((length) => bytes.subarray(0, length));
}

function withBytesAfter(bytes: Buffer): Buffer[] {
  return [Buffer.of(0), Buffer.alloc(16), bytes].map((tail) => Buffer.concat([bytes, tail]));
}

/** Puts `bytes` over those at `at`. */
function overwritten(original: Buffer, at: number, bytes: Buffer): Buffer {
  const copy = Buffer.from(original);
  bytes.copy(copy, at);
  return copy;
}

const u16 = (value: number) => Buffer.of(value >> 8, value & 255);
const fourGigabytes = Buffer.from('ffffffff', 'hex');

/** Where the fields of a version 2 message begin: 01 version, suite, id[32], context, entries (message-header.md). */
function fieldsOf(message: Buffer): { context: number; entries: number; frameLength: number; body: number } {
  const context = 35;
  const entries = context + 2 + message.readUInt16BE(context);
  let at = entries + 2;
  for (let field = 0; field < 3 * message.readUInt16BE(entries); field++) at += 2 + message.readUInt16BE(at);
  return { context, entries, frameLength: at + 1, body: at + 1 + 4 + 32 + 16 };
}

function withEntries(message: Buffer, count: number, entries: Buffer): Buffer {
  const at = fieldsOf(message);
  return Buffer.concat([message.subarray(0, at.entries), u16(count), entries, message.subarray(at.frameLength - 1)]);
}

describe('one failure, whatever is wrong:', () => {
  test.each([
    ['changed at any byte', allChanges],
    ['cut anywhere', allCuts],
    ['with bytes after its end', withBytesAfter],
  ])('a ciphertext %s', async (_name, made) => {
    const requests = made(ciphertext).map((bytes) => ({ ...demo, ciphertext: bytes }));
    await expectAllAlike('Decrypt', requests);
    await expectAllAlike('Rewrap', requests);
  });

  test.each([
    ['changed at any byte', allChanges],
    ['cut anywhere', allCuts],
    ['with bytes after its end', withBytesAfter],
  ])('a wrapped DEK %s', async (_name, made) => {
    for (const original of [wrapped, straight]) {
      const requests = made(original).map((bytes) => ({ ...demo, wrapped_dek: bytes }));
      await expectAllAlike('Unwrap', requests);
      await expectAllAlike('Rewrap', requests);
    }
  });

  test('lengths and counts that promise gigabytes', async () => {
    const at = fieldsOf(ciphertext);
    const realEntries = ciphertext.subarray(at.entries + 2, at.frameLength - 1);
    const bad = [
      overwritten(ciphertext, at.frameLength, fourGigabytes),
      // The final frame: its mark, its number, its IV, then the length of its content.
      overwritten(ciphertext, at.body + 4 + 4 + 12, fourGigabytes),
      overwritten(ciphertext, at.body, Buffer.from('00000001', 'hex')),
      overwritten(ciphertext, at.context, u16(65_535)),
      overwritten(ciphertext, at.entries, u16(65_535)),
      withEntries(ciphertext, 0, Buffer.alloc(0)),
      withEntries(ciphertext, 65_535, Buffer.alloc(65_535 * 6)),
      withEntries(ciphertext, 17, Buffer.concat(Array.from({ length: 17 }, () => realEntries))),
    ];
    await expectAllAlike(
      'Decrypt',
      bad.map((bytes) => ({ ...demo, ciphertext: bytes })),
    );
  });

  test('a wrapped DEK with 255 entries, with none, of an unknown kind, and a root', async () => {
    const count = 3 + 32;
    const entry = wrapped.subarray(count + 1, -16);
    const many = Buffer.concat([wrapped.subarray(0, count), Buffer.of(255), Buffer.alloc(255 * 6), Buffer.alloc(16)]);
    const repeated = Buffer.concat(Array.from({ length: 17 }, () => entry));
    const bad = [
      many,
      Buffer.concat([wrapped.subarray(0, count), Buffer.of(17), repeated, wrapped.subarray(-16)]),
      Buffer.concat([wrapped.subarray(0, count), Buffer.of(0), wrapped.subarray(-16)]),
      overwritten(wrapped, 1, Buffer.of(1)),
      overwritten(straight, 1, Buffer.of(3)),
      overwritten(straight, 1, Buffer.of(9)),
      overwritten(straight, 2, Buffer.of(64)),
      Buffer.alloc(1 << 20, 1),
    ];
    await expectAllAlike(
      'Unwrap',
      bad.map((bytes) => ({ ...demo, wrapped_dek: bytes })),
    );
  });

  test("another tenant's, another context's, other associated data's, and nobody's", async () => {
    const vector = resolve(import.meta.dirname, '../vectors/esdk');
    const manifest = JSON.parse(readFileSync(`${vector}/manifest.json`, 'utf8')) as { tests: { ciphertext: string }[] };
    const foreign = manifest.tests.slice(0, 20).map((each) => readFileSync(`${vector}/${each.ciphertext}`));
    const context = { purpose: 'invoices' };
    await expectAllAlike('Decrypt', [
      { tenant_id: 'demo-2', ciphertext },
      { ...demo, tenant_id: 'demo-2', ciphertext },
      { tenant_id: 'demo', encryption_context: context, ciphertext },
      { tenant_id: 'demo', encryption_context: { ...demo.encryption_context, more: 'x' }, ciphertext },
      { tenant_id: 'demo', encryption_context: { tenant_id: 'demo' }, ciphertext },
      { tenant_id: 'demo', encryption_context: { ...demo.encryption_context, tenant_id: 'demo-2' }, ciphertext },
      { ...demo, ciphertext, associated_data: rowId },
      { ...demo, ciphertext: bound },
      { ...demo, ciphertext: bound, associated_data: Buffer.from('row 18') },
      { ...demo, ciphertext: Buffer.alloc(0) },
      { ...demo, ciphertext: wrapped },
      { ...demo, ciphertext: Buffer.from(ciphertext.toString('base64')) },
      ...foreign.map((bytes) => ({ tenant_id: 'demo', ciphertext: bytes })),
    ]);
    await expectAllAlike('Unwrap', [
      { ...demo, tenant_id: 'demo-2', wrapped_dek: wrapped },
      { ...demo, tenant_id: 'demo-2', wrapped_dek: straight },
      { tenant_id: 'demo', wrapped_dek: wrapped },
      { tenant_id: 'demo', encryption_context: context, wrapped_dek: wrapped },
      { tenant_id: 'demo', encryption_context: context, wrapped_dek: straight },
      { ...demo, wrapped_dek: Buffer.alloc(0) },
      { ...demo, wrapped_dek: ciphertext },
    ]);
  });

  test('Decrypt, Unwrap and Rewrap fail alike, cold cache and warm', async () => {
    const cold = { tenant_id: 'demo', encryption_context: { purpose: `cold ${process.hrtime.bigint()}` } };
    const ends = [
      await rawEnd(raw, 'Decrypt', { ...demo, ciphertext: changed(ciphertext, ciphertext.length - 1, 1) }),
      await rawEnd(raw, 'Unwrap', { ...demo, wrapped_dek: changed(wrapped, wrapped.length - 1, 1) }),
      await rawEnd(raw, 'Rewrap', { ...demo, wrapped_dek: changed(wrapped, wrapped.length - 1, 1) }),
      await rawEnd(raw, 'Unwrap', { ...cold, wrapped_dek: wrapped }),
      await rawEnd(raw, 'Decrypt', { ...demo, ciphertext: ciphertext.subarray(1) }),
    ];
    expect(new Set(ends.map(({ headers, messages }) => JSON.stringify([headers, messages]))).size).toBe(1);
  });
});

test('what was refused all around still opens', async () => {
  expect(await rawAnswer(raw, 'Decrypt', { ...demo, ciphertext })).toMatchObject({ plaintext });
  expect(await rawAnswer(raw, 'Decrypt', { ...demo, ciphertext: bound, associated_data: rowId })).toMatchObject({
    plaintext,
  });
  for (const wrapped_dek of [wrapped, straight]) await rawAnswer(raw, 'Unwrap', { ...demo, wrapped_dek });
});

test('thousands of failures grow no memory, and another caller is served all the while', async () => {
  using other = connectRaw({ tcp: daemon.tcp }, 'localhost');
  const storm = new AbortController();
  const served = servedUntil(storm.signal, other);
  const sizes: number[] = [];
  for (let round = 0; round < 10; round++) {
    await badCalls(1000);
    sizes.push(residentMiB());
  }
  storm.abort();
  const { count, slowestMs } = await served;
  // The first rounds fill the heap; from then on it has to stand still.
  const [settled = 0] = sizes.slice(3, 4);
  expect(Math.min(...sizes.slice(8)) - settled).toBeLessThan(6);
  expect(count).toBeGreaterThan(50);
  expect(slowestMs).toBeLessThan(2000);
});

async function badCalls(count: number): Promise<void> {
  for (let made = 0; made < count; made += 50) {
    const calls = Array.from({ length: 50 }, (_, index) => {
      const at = (made + index) % ciphertext.length;
      return index % 2 === 0
        ? rawEnd(raw, 'Decrypt', { ...demo, ciphertext: changed(ciphertext, at, 0x55) })
        : rawEnd(raw, 'Encrypt', { ...demo, tenant_id: `nobody-${made + index}`, plaintext: Buffer.alloc(4096) });
    });
    for (const end of await Promise.all(calls)) expect(end.code).toBeGreaterThan(0);
  }
}

async function servedUntil(signal: AbortSignal, other: RawConnection): Promise<{ count: number; slowestMs: number }> {
  let count = 0;
  let slowestMs = 0;
  while (!signal.aborted) {
    const start = performance.now();
    const answer = await rawAnswer<{ plaintext: Buffer }>(other, 'Decrypt', { ...demo, ciphertext });
    expect(answer.plaintext).toEqual(plaintext);
    slowestMs = Math.max(slowestMs, performance.now() - start);
    count += 1;
  }
  return { count, slowestMs };
}

/** Memory that the daemon holds, in MiB (proc(5), `VmRSS`). */
function residentMiB(): number {
  const text = readFileSync(`/proc/${daemon.process.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1]) / 1024;
}
