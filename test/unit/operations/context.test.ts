/** Contexts of callers: what may be in them, what is added, what is compared. */
import { describe, expect, it } from 'vitest';
import { EncryptionContext } from '../../../src/base/encryption-context.ts';
import { parseTenantId } from '../../../src/base/ids.ts';
import { messageLimits } from '../../../src/envelope/limits.ts';
import { cacheKey } from '../../../src/operations/cache-key.ts';
import {
  callerPairs,
  contextFor,
  matchesStored,
  maxContextPairs,
  visiblePairs,
} from '../../../src/operations/context.ts';
import { failureOf } from '../../support/failure-of.ts';
import { pairs } from '../../support/fake-engine.ts';

const { maxContextBytes } = messageLimits;
const tenant = parseTenantId('t');
const manyPairs = (count: number) => new Map(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']));

describe('contextFor', () => {
  it('adds the tenant, and the flag where associated data is given', () => {
    expect([...contextFor(tenant, pairs({ z: '1' })).pairs]).toEqual([
      ['tenant_id', 't'],
      ['z', '1'],
    ]);
    expect([...contextFor(tenant, pairs({ z: '1' }), true).pairs]).toEqual([
      ['keyproxy-ad', '1'],
      ['tenant_id', 't'],
      ['z', '1'],
    ]);
  });

  it.each(['tenant_id', 'TENANT_ID', 'aws-crypto-public-key', 'AWS-crypto-x', 'keyproxy-ad', 'KeyProxy-x'])(
    'refuses the reserved name %s',
    (name) => expect(failureOf(() => contextFor(tenant, pairs({ [name]: 'x' }))).reason).toBe('CONTEXT_RESERVED'),
  );

  it('refuses an empty name and takes an empty value', () => {
    expect(failureOf(() => contextFor(tenant, pairs({ '': 'x' }))).reason).toBe('CONTEXT_INVALID');
    expect(contextFor(tenant, pairs({ x: '' })).pairs.get('x')).toBe('');
  });

  it(`takes ${maxContextPairs} pairs beside its own and names the limit for one more`, () => {
    expect(contextFor(tenant, manyPairs(maxContextPairs), true).pairs.size).toBe(maxContextPairs + 2);
    const failure = failureOf(() => contextFor(tenant, manyPairs(maxContextPairs + 1)));
    expect(failure).toMatchObject({
      reason: 'CONTEXT_INVALID',
      metadata: { limit: 'encryption_context_pairs', limit_value: String(maxContextPairs) },
    });
  });

  it(`takes ${maxContextBytes} bytes with its own pairs and names the limit for one more`, () => {
    const own = contextFor(tenant, pairs({ k: '' })).serialized.length;
    const whole = contextFor(tenant, pairs({ k: 'v'.repeat(maxContextBytes - own) }));
    expect(whole.serialized).toHaveLength(maxContextBytes);
    const failure = failureOf(() => contextFor(tenant, pairs({ k: 'v'.repeat(maxContextBytes - own + 1) })));
    expect(failure).toMatchObject({
      reason: 'CONTEXT_INVALID',
      metadata: { limit: 'encryption_context_bytes', limit_value: String(maxContextBytes) },
    });
    expect(failure.message).toContain(`the limit is ${maxContextBytes}`);
  });

  it('counts bytes and not characters', () => {
    expect(failureOf(() => contextFor(tenant, pairs({ k: 'ü'.repeat(4200) }))).reason).toBe('CONTEXT_INVALID');
  });
});

describe('matchesStored', () => {
  const stored = EncryptionContext.of([
    ['purpose', 'orders'],
    ['tenant_id', 't'],
    ['keyproxy-ad', '1'],
  ]);

  it.each<[Record<string, string>, boolean]>([
    [{}, true],
    [{ purpose: 'orders' }, true],
    [{ purpose: 'orders', tenant_id: 't' }, true],
    [{ purpose: 'orders', tenant_id: 't', 'keyproxy-ad': '1' }, true],
    [{ purpose: 'mail' }, false],
    [{ tenant_id: 't' }, false],
    [{ purpose: 'orders', tenant_id: 'u' }, false],
    [{ purpose: 'orders', more: '' }, false],
    [{ Purpose: 'orders' }, false],
    [{ purpose: 'orders', 'aws-crypto-x': '1' }, false],
  ])('compares %j', (given, same) => expect(matchesStored(pairs(given), stored)).toBe(same));

  it('shows the pairs of the caller and the tenant, and knows those of the caller alone', () => {
    expect(visiblePairs(stored)).toEqual(pairs({ purpose: 'orders', tenant_id: 't' }));
    expect(callerPairs(stored)).toEqual(pairs({ purpose: 'orders' }));
  });
});

describe('cacheKey', () => {
  const parts = (...texts: string[]) => texts.map((text) => Buffer.from(text));

  it('is SHA-256 over parts with 32-bit lengths', () => {
    // printf '\0\0\0\1a\0\0\0\2bc' | sha256sum
    expect(Buffer.from(cacheKey(...parts('a', 'bc')), 'base64').toString('hex')).toBe(
      'b534ce16ac9c8b36823f39a395ce8e0e3c7ad9605b82b5444f18cadacd217a5d',
    );
  });

  it('tells apart what only differs in where one part ends', () => {
    const lists = [parts('ab', 'c'), parts('a', 'bc'), parts('abc'), parts('abc', ''), parts('', 'abc'), parts()];
    expect(new Set(lists.map((list) => cacheKey(...list))).size).toBe(lists.length);
  });
});
