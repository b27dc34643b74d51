/** The head of a call: what it says, and what it must not say. */
import { describe, expect, test } from 'vitest';
import type { RequestHead } from '../../../../src/h2/request.ts';
import { callHead } from '../../../../src/rpc/native/call-head.ts';

function headOf(fields: Readonly<Record<string, string>>, method = 'POST'): RequestHead {
  const list = Object.entries(fields).map(([name, value]) => ({ name, value }));
  return { method, scheme: 'http', path: '/a', authority: '', fields: list, contentLength: undefined };
}
const grpc = { 'content-type': 'application/grpc' };

test('a head with nothing beside its type has no deadline, and takes and gives messages as they are', () => {
  expect(callHead(headOf(grpc))).toEqual({
    ...{ kind: 'call', timeoutMs: undefined, encoding: 'identity', acceptsGzip: false },
  });
});

describe('grpc-timeout', () => {
  test.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3_000],
    ['4m', 4],
    ['5000u', 5],
    ['6000000n', 6],
    ['1u', 0.001],
    ['0S', 0],
    ['00000001S', 1_000],
    ['99999999H', 99_999_999 * 3_600_000],
  ])('%s is %d milliseconds', (value, expected) => {
    const head = callHead(headOf({ ...grpc, 'grpc-timeout': value }));
    expect(head.kind === 'call' ? head.timeoutMs : head.kind).toBeCloseTo(expected, 9);
  });

  test.each([
    '',
    '1',
    'S',
    '1s',
    '1h',
    '-1S',
    '+1S',
    '1.5S',
    '1 S',
    ' 1S',
    '123456789S',
    '0x1S',
    '1SS',
    '1e3S',
    '\u0661S',
  ])('%j is malformed', (value) => {
    const head = callHead(headOf({ ...grpc, 'grpc-timeout': value }));
    expect(head).toEqual({ kind: 'malformed', what: expect.stringContaining('grpc-timeout') });
  });
});

describe('content-type', () => {
  test.each(['application/grpc', 'application/grpc+proto', 'application/grpc;charset=utf-8', 'application/grpc+json'])(
    '%s is gRPC',
    (type) => expect(callHead(headOf({ 'content-type': type })).kind).toBe('call'),
  );

  test.each(['application/grpc-web', 'application/grpcx', 'application/json', '', 'text/application/grpc'])(
    '%j is not, and is told 415',
    (type) => expect(callHead(headOf({ 'content-type': type }))).toEqual({ kind: 'not grpc', status: '415' }),
  );

  test('has to be there', () => expect(callHead(headOf({}))).toEqual({ kind: 'not grpc', status: '415' }));
});

test.each(['GET', 'PUT', 'post', 'OPTIONS'])('%s is told 405, gRPC or not', (method) => {
  expect(callHead(headOf(grpc, method))).toEqual({ kind: 'not grpc', status: '405' });
});

test.each([
  ['identity', 'identity'],
  ['gzip', 'gzip'],
  ['deflate', 'unknown encoding'],
  ['GZIP', 'unknown encoding'],
  ['', 'unknown encoding'],
])('messages in %j are taken as %s', (encoding, expected) => {
  const head = callHead(headOf({ ...grpc, 'grpc-encoding': encoding }));
  expect(head.kind === 'call' ? head.encoding : head.kind).toBe(expected);
});

test.each([
  ['gzip', true],
  ['identity, deflate , gzip', true],
  ['identity,gzipped', false],
  ['', false],
])('who accepts %j accepts gzip: %s', (accepted, expected) => {
  expect(callHead(headOf({ ...grpc, 'grpc-accept-encoding': accepted }))).toMatchObject({ acceptsGzip: expected });
});

test('the same head, as an object, is read once', () => {
  const head = headOf(grpc);
  expect(callHead(head)).toBe(callHead(head));
});
