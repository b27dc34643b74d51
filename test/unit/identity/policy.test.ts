/** What rules allow, by names and patterns. */
import { describe, expect, test } from 'vitest';
import { type Caller, callerName } from '../../../src/base/caller.ts';
import { isVerb, verbs } from '../../../src/base/verb.ts';
import { callerNamed } from '../../../src/identity/caller-name.ts';
import { Policy, type PolicyRule } from '../../../src/identity/policy.ts';
import { processorMs } from '../../support/processor-time.ts';

const orders: Caller = { kind: 'service_account', namespace: 'shop', name: 'orders' };
const web: Caller = { kind: 'spiffe', id: 'spiffe://example.org/ns/shop/sa/web' };
const peer: Caller = { kind: 'socket', peer: { pid: 1, uid: 1000, gid: 100 } };
const [socket, anonymous]: readonly [Caller, Caller] = [{ kind: 'socket' }, { kind: 'anonymous' }];
const everyone = [orders, web, peer, socket, anonymous];

function allowed(rule: Partial<PolicyRule>, caller: Caller, tenant = 'acme'): string[] {
  const policy = new Policy([{ callers: ['*'], tenants: ['*'], operations: ['*'], ...rule }]);
  return [...policy.rightsOf(caller)(tenant)];
}

describe('a rule', () => {
  test.each([
    ['socket', [peer, socket]],
    ['anonymous', [anonymous]],
    ['socket:uid=1000', [peer]],
    ['socket:gid=100', [peer]],
    ['socket:uid=1000,gid=100', [peer]],
    ['socket:uid=*,gid=100', [peer]],
    ['socket:uid=100', []],
    ['system:serviceaccount:shop:orders', [orders]],
    ['system:serviceaccount:shop:*', [orders]],
    ['system:serviceaccount:*:orders', [orders]],
    ['system:serviceaccount:*', []],
    ['system:serviceaccount:sho:*', []],
    ['spiffe://example.org/ns/shop/sa/web', [web]],
    ['spiffe://example.org/ns/*/sa/*', [web]],
    ['spiffe://example.org/ns/*', []],
    ['spiffe://example.org/*', []],
    ['spiffe://exampleXorg/ns/shop/sa/web', []],
    // Who has no name of its own has to be named.
    ['*', everyone.filter((caller) => caller !== anonymous)],
  ] as const)('for %s holds for its callers and nobody else', (pattern, callers) => {
    expect(everyone.filter((caller) => allowed({ callers: [pattern] }, caller).length > 0)).toEqual(callers);
  });

  test.each([
    ['acme', ['acme']],
    ['*', ['acme', 'acme-1', 'xacme', 'ACME']],
    ['acme-*', ['acme-1']],
    ['*acme', ['acme', 'xacme']],
    ['a.me', []],
  ])('for the tenant %s holds for it and no other', (pattern, tenants) => {
    const all = ['acme', 'acme-1', 'xacme', 'ACME'];
    expect(all.filter((tenant) => allowed({ tenants: [pattern] }, socket, tenant).length > 0)).toEqual(tenants);
  });

  test('allows its operations, and what rules allow adds up', () => {
    expect(allowed({ operations: ['encrypt', 'unwrap'] }, socket)).toEqual(['encrypt', 'unwrap']);
    expect(allowed({ operations: ['*'] }, socket)).toEqual([...verbs]);
    const policy = new Policy([
      { callers: ['socket'], tenants: ['acme'], operations: ['encrypt'] },
      { callers: ['socket'], tenants: ['a*'], operations: ['decrypt', 'encrypt'] },
      { callers: ['anonymous'], tenants: ['*'], operations: ['rewrap'] },
    ]);
    expect([...policy.rightsOf(socket)('acme')]).toEqual(['encrypt', 'decrypt']);
    expect(policy.ruleFor(socket, 'acme', 'decrypt')).toBe(1);
    expect(policy.ruleFor(socket, 'acme', 'rewrap')).toBeUndefined();
  });

  test('there is none, and nobody may do anything', () => {
    expect([...new Policy([]).rightsOf(socket)('acme')]).toEqual([]);
  });
});

describe("a caller's name", () => {
  test.each(everyone.map((caller) => [callerName(caller), caller] as const))(
    '%s is that of one caller',
    (name, caller) => {
      expect(callerName(callerNamed(name) ?? { kind: 'anonymous' })).toBe(name);
      expect(callerNamed(name)?.kind).toBe(caller.kind);
    },
  );

  test.each(['', 'root', 'socket:uid=1000', 'system:serviceaccount:shop', 'spiffe://example.org', 'spiffe://a/b c'])(
    'is not %s',
    (name) => expect(callerNamed(name)).toBeUndefined(),
  );
});

test("a name of the caller's choice takes no longer to match for it", () => {
  const policy = new Policy([{ callers: ['socket'], tenants: ['*a*a*a*a*a*a*a*b', '*-*-*-*-eu'], operations: ['*'] }]);
  const start = processorMs();
  for (let i = 0; i < 100; i++) policy.rightsOf(socket)(`${'a'.repeat(64)}${'-'.repeat(64)}`);
  expect(processorMs() - start).toBeLessThan(500);
  expect(policy.rightsOf(socket)(`${'a'.repeat(20)}b`).size).toBe(6);
});

test('a verb is known by its name alone', () => {
  expect(['encrypt', 'Encrypt', 'toString', ''].map(isVerb)).toEqual([true, false, false, false]);
});
