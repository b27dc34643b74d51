/** Data keys: what they own, and that nothing works once they are gone. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { SecretBytes } from '../../../src/base/secret.ts';
import { DataKey } from '../../../src/envelope/data-key.ts';
import { sampleBytes, sampleContext, sampleDataKey } from '../../support/sample-message.ts';

const body = sampleBytes(40, 'body');
const salt = sampleBytes(32, 'salt');
const r = sampleBytes(16, 'r');

describe('DataKey', () => {
  it('takes over its secret and wipes it at the end', () => {
    const bytes = sampleBytes(32);
    const dataKey = DataKey.adopt(SecretBytes.adopt(bytes));
    expect(dataKey.length).toBe(32);
    const taken = dataKey.secret.reveal();
    expect(taken).toEqual(sampleBytes(32));
    expect(bytes).toEqual(Buffer.alloc(32));
    dataKey[Symbol.dispose]();
    expect(taken).toEqual(Buffer.alloc(32));
    expect(dataKey.length).toBe(0);
  });

  it('does nothing any more once it is disposed of, not even with keys that it had kept', () => {
    const dataKey = sampleDataKey();
    dataKey.wrapTag(body, 'tenant', sampleContext);
    dataKey.associatedDataTag(r, body);
    dataKey[Symbol.dispose]();
    expect(() => dataKey.wrapTag(body, 'tenant', sampleContext)).toThrow(/wiped/);
    expect(() => dataKey.associatedDataTag(r, body)).toThrow(/wiped/);
    expect(() => dataKey.derive(salt, 32, 'tenant', sampleContext)).toThrow(/wiped/);
  });

  it('gives the same tags on every call, and leaves the secret as it was', () => {
    using dataKey = sampleDataKey();
    const tags = () => [dataKey.wrapTag(body, 'tenant', sampleContext), dataKey.associatedDataTag(r, body)];
    expect(tags()).toEqual(tags());
    expect(tags().map((tag) => tag.length)).toEqual([16, 16]);
    expect(dataKey.secret.reveal()).toEqual(sampleBytes(32, 'data key'));
  });

  it('derives keys that share nothing but their root', () => {
    using dataKey = sampleDataKey();
    using one = dataKey.derive(salt, 32, 'tenant', sampleContext);
    using two = dataKey.derive(salt, 32, 'tenant2', sampleContext);
    using three = dataKey.derive(sampleBytes(32, 'other salt'), 32, 'tenant', sampleContext);
    using long = dataKey.derive(salt, 64, 'tenant', sampleContext);
    const heads = [one, two, three, long].map((key) => key.reveal().toString('hex', 0, 32));
    expect(new Set(heads).size).toBe(4);
  });

  it('refuses a salt or a length that the format does not have', () => {
    using dataKey = sampleDataKey();
    expect(() => dataKey.derive(salt.subarray(1), 32, 'tenant', sampleContext)).toThrow(RangeError);
    expect(() => dataKey.derive(salt, 65, 'tenant', sampleContext)).toThrow(RangeError);
  });

  it('prints nothing of itself', () => {
    using dataKey = sampleDataKey();
    const shown = [inspect(dataKey, { depth: 9, showHidden: true }), JSON.stringify(dataKey), String(dataKey)].join();
    expect(shown).not.toContain(sampleBytes(4, 'data key').toString('hex'));
    expect(shown).not.toContain('Buffer');
  });
});
