import { describe, expect, it } from 'vitest';
import type { Answer } from '../../../../src/kms/azure/exchange.ts';
import { loginError, vaultError } from '../../../../src/kms/azure/failure.ts';
import { unwrapFaults } from '../../../../src/kms/azure/faults.ts';

const now = Date.UTC(2026, 10, 1);
const call = { operation: 'unwrapKey', now, table: unwrapFaults };
const answer: Answer = { kind: 'answer', status: 429, authorized: true, challenges: false };
const coded = (code: unknown, inner?: unknown) => ({
  error: { code, ...(inner !== undefined && { innererror: { code: inner } }) },
});
const secret = 'what the provider wrote';

describe('a failed call to a vault', () => {
  it.each([
    ['5', 5_000],
    [new Date(now + 9_000).toUTCString(), 9_000],
    [new Date(now - 9_000).toUTCString(), 0],
    ['soon', undefined],
    ['-1', undefined],
  ])('reads Retry-After %s', (retryAfter, expected) => {
    const { fault } = vaultError(new Error(secret), { ...answer, retryAfter, error: coded('Throttled') }, call);
    expect(fault).toEqual({
      kind: 'outage',
      reason: 'KEY_SERVICE_THROTTLED',
      ...(expected !== undefined && { retryAfterMs: expected }),
    });
  });

  it('keeps nothing of what the library threw, and no code that is none', () => {
    for (const code of [secret, 7, { a: 1 }, 'x'.repeat(65), null]) {
      const error = vaultError(new Error(secret), { ...answer, status: 403, error: coded(code, code) }, call);
      expect(error.fault).toEqual({ kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' });
      expect(error.details.providerCode).toBe('HTTP 403');
      expect(JSON.stringify([error.message, error.details, error.cause])).not.toContain('wrote');
    }
  });

  it('takes an inner code before the outer one, and a 403 with a new one for what may come from the network', () => {
    const sorted = (...codes: [unknown, unknown?]) =>
      vaultError(undefined, { ...answer, status: 403, error: coded(...codes) }, call).fault;
    expect(sorted('Forbidden', 'KeyDisabled')).toMatchObject({ reason: 'KEY_DISABLED' });
    expect(sorted('Forbidden')).toMatchObject({ kind: 'refusal', reason: 'KEY_ACCESS_DENIED' });
    for (const code of ['SomethingNew', 'toString']) {
      expect(sorted('Forbidden', code)).toEqual({ kind: 'ambiguous', reason: 'KEY_ACCESS_DENIED' });
    }
  });

  it('takes a bare 401 with a challenge for a stale token, and a page without one for an outage', () => {
    const bare = { ...answer, status: 401 };
    expect(vaultError(undefined, { ...bare, challenges: true }, call).fault).toEqual({ kind: 'credentials' });
    expect(vaultError(undefined, bare, call).fault.kind).toBe('outage');
  });

  it('takes a success that the library could not read for an outage', () => {
    expect(vaultError(new TypeError(secret), { ...answer, status: 200 }, call).fault.kind).toBe('outage');
  });

  it.each([
    ['ENOTFOUND', 'name of the host'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'certificate'],
    ['CERT_HAS_EXPIRED', 'certificate'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'certificate'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'certificate'],
    ['HOSTNAME_MISMATCH', 'certificate'],
    ['ECONNREFUSED', 'firewalls'],
  ])('says what to do about %s', (code, advice) => {
    const error = vaultError(new Error(secret), { kind: 'silence', code }, call);
    expect(error.fault).toEqual({ kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' });
    expect(error.details).toMatchObject({ providerCode: code, advice: expect.stringContaining(advice) });
  });
});

describe('a failed login', () => {
  const login = { operation: 'GetToken', now };
  it('keeps the trace id for the customer’s own log, and nothing of the description', () => {
    const error = loginError(
      new Error(secret),
      {
        ...answer,
        status: 400,
        error: {
          error: 'invalid_client',
          error_codes: [7000222],
          error_description: secret,
          trace_id: '0c1d2e3f-0000-4000-8000-000000000000',
        },
      },
      login,
    );
    expect(error.fault).toEqual({ kind: 'credentials' });
    expect(error.details).toMatchObject({
      providerCode: 'AADSTS7000222',
      requestId: '0c1d2e3f-0000-4000-8000-000000000000',
    });
    expect(JSON.stringify([error.message, error.details])).not.toContain('wrote');
  });

  it('sorts by the name of RFC 6749 where no number says more', () => {
    const sorted = (error: unknown, status = 400) => loginError(undefined, { ...answer, status, error }, login).fault;
    expect(sorted({ error: 'invalid_client' })).toEqual({ kind: 'credentials' });
    expect(sorted({ error: 'temporarily_unavailable' })).toMatchObject({ kind: 'outage' });
    expect(sorted({ error: 'something_new' })).toEqual({ kind: 'ambiguous', reason: 'ROLE_DENIED' });
    expect(sorted({ error: 'something_new' }, 503)).toMatchObject({ kind: 'outage' });
    expect(sorted(undefined, 403)).toMatchObject({ kind: 'outage' });
  });
});
