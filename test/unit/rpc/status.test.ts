/** What goes over the wire for a failure, read by an implementation of the same messages that is not keyproxy's. */
import { describe, expect, it } from 'vitest';
import { errorTable, grpcCodes, KeyproxyError, type Reason } from '../../../src/base/errors.ts';
import { wireStatus } from '../../../src/rpc/status.ts';

/** Fields of a message by number, each value as bytes or a number: a reader of its own, as small as can be. */
function fieldsOf(bytes: Buffer): [number, Buffer | number][] {
  const fields: [number, Buffer | number][] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes.readUInt8(at++);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const value = varint();
    if ((tag & 7) === 2) {
      fields.push([tag >> 3, bytes.subarray(at, at + value)]);
      at += value;
    } else fields.push([tag >> 3, value]);
  }
  return fields;
}

const bytesIn = (bytes: Buffer, field: number): Buffer[] =>
  fieldsOf(bytes).flatMap(([id, value]) => (id === field && Buffer.isBuffer(value) ? [value] : []));
const textIn = (bytes: Buffer, field: number): string => bytesIn(bytes, field)[0]?.toString() ?? '';
const numberIn = (bytes: Buffer, field: number): number =>
  Number(fieldsOf(bytes).find(([id]) => id === field)?.[1] ?? 0);

/** The details of `google.rpc.Status` by the last part of their type. */
function detailsOf(error: KeyproxyError): Record<string, Buffer> {
  const details = bytesIn(wireStatus(error).details, 3);
  return Object.fromEntries(details.map((any) => [textIn(any, 1), bytesIn(any, 2)[0] ?? Buffer.alloc(0)]));
}

const errorInfo = 'type.googleapis.com/google.rpc.ErrorInfo';
const retryInfo = 'type.googleapis.com/google.rpc.RetryInfo';

describe.each(Object.keys(errorTable) as Reason[])('%s', (reason) => {
  it('goes out with its code, its sentence and an ErrorInfo', () => {
    const error = new KeyproxyError(reason, { metadata: { provider: 'aws_kms', limit: '7' } });
    const status = wireStatus(error);
    expect(status).toMatchObject({ code: grpcCodes[errorTable[reason].grpc], message: errorTable[reason].message });
    expect([numberIn(status.details, 1), textIn(status.details, 2)]).toEqual([status.code, status.message]);
    const info = detailsOf(error)[errorInfo] ?? Buffer.alloc(0);
    expect([textIn(info, 1), textIn(info, 2)]).toEqual([reason, 'keyproxy']);
    const metadata = bytesIn(info, 3).map((entry) => [textIn(entry, 1), textIn(entry, 2)]);
    expect(Object.fromEntries(metadata)).toEqual({ provider: 'aws_kms', limit: '7' });
  });
});

describe('RetryInfo', () => {
  it.each<[number, number, number]>([
    [0, 0, 0],
    [1, 0, 1_000_000],
    [999, 0, 999_000_000],
    [999.4, 1, 0],
    [999.999_999_9, 1, 0],
    [1000, 1, 0],
    [61_250, 61, 250_000_000],
  ])('says after %d ms as %i s and %i ns', (retryAfterMs, seconds, nanos) => {
    const details = detailsOf(new KeyproxyError('KEY_SERVICE_THROTTLED', { retryAfterMs }));
    const delay = bytesIn(details[retryInfo] ?? Buffer.alloc(0), 1)[0] ?? Buffer.alloc(0);
    expect([numberIn(delay, 1), numberIn(delay, 2)]).toEqual([seconds, nanos]);
  });

  it('is not there where no wait is known', () => {
    expect(Object.keys(detailsOf(new KeyproxyError('KEY_SERVICE_THROTTLED')))).toEqual([errorInfo]);
  });
});

describe('wireStatus', () => {
  it('carries nothing of a cause', () => {
    const error = new KeyproxyError('INTERNAL', { cause: new Error('hunter2') });
    expect(wireStatus(error).details.includes('hunter2')).toBe(false);
    expect(wireStatus(error).message).not.toContain('hunter2');
  });
});
