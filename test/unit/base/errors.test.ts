/** The table of failures, row by row, and the error that carries a row. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { errorTable, grpcCodes, KeyproxyError, type Reason } from '../../../src/base/errors.ts';
import { isTenantId, parseTenantId } from '../../../src/base/ids.ts';
import { failureOf } from '../../support/failure-of.ts';

// The keys of the table are its reasons.
const rows = Object.entries(errorTable) as [Reason, (typeof errorTable)[Reason]][];

/** google.rpc.Code with the status that google.api.http gives it; 409 and 502 are keyproxy's choices beside them. */
const httpOf: Readonly<Record<string, readonly number[]>> = {
  CANCELLED: [499],
  INVALID_ARGUMENT: [400],
  DEADLINE_EXCEEDED: [504],
  NOT_FOUND: [404],
  PERMISSION_DENIED: [403],
  RESOURCE_EXHAUSTED: [413, 429],
  FAILED_PRECONDITION: [409],
  UNIMPLEMENTED: [501],
  INTERNAL: [500],
  UNAVAILABLE: [503],
  UNAUTHENTICATED: [401, 502],
};

describe.each(rows)('%s', (reason, row) => {
  it('is a name that google.rpc.ErrorInfo allows, with a canonical code and its HTTP status', () => {
    expect(reason).toMatch(/^[A-Z][A-Z0-9_]{1,61}[A-Z0-9]$/);
    expect(grpcCodes[row.grpc]).toBeGreaterThan(0);
    expect(httpOf[row.grpc]).toContain(row.http);
  });

  it('has a sentence of its own: lower case, no period, nothing to be filled in', () => {
    expect(row.message).toMatch(/^[a-z]/);
    expect(row.message).not.toMatch(/[.!]$|\n|%[sdoj]|\$\{|\{\}|\bTODO\b|undefined/);
    expect(row.message.length).toBeGreaterThan(12);
    expect(rows.filter(([, other]) => other.message === row.message)).toHaveLength(1);
  });

  it('blames someone, and can be retried only where nobody has to change anything', () => {
    expect(['caller', 'customer', 'provider', 'keyproxy']).toContain(row.fault);
    if (row.fault === 'provider') expect(row.retry).toBe(true);
    if (row.retry)
      expect(['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'DEADLINE_EXCEEDED', 'UNAUTHENTICATED']).toContain(row.grpc);
  });

  it('becomes an error with its sentence', () => {
    const error = new KeyproxyError(reason);
    expect(error).toMatchObject({ name: 'KeyproxyError', reason, message: row.message, metadata: {} });
    expect(error.retryAfterMs).toBeUndefined();
  });
});

describe('KeyproxyError', () => {
  it('puts a detail after the sentence of the table', () => {
    const error = new KeyproxyError('CONTEXT_INVALID', { detail: 'a pair has an empty name' });
    expect(error.message).toBe('the encryption context cannot be used: a pair has an empty name');
  });

  it('keeps metadata and the wait before a retry', () => {
    const error = new KeyproxyError('KEY_SERVICE_THROTTLED', { metadata: { provider: 'aws_kms' }, retryAfterMs: 250 });
    expect(error).toMatchObject({ metadata: { provider: 'aws_kms' }, retryAfterMs: 250 });
  });

  it('keeps the cause inside: the public message does not change with it', () => {
    const error = new KeyproxyError('DECRYPT_FAILED', { cause: new Error('the tag of a frame does not match') });
    expect(error.message).toBe('decryption failed');
    expect(inspect(error.cause)).toContain('the tag of a frame');
  });

  it('passes through from() as it is, and takes anything else for a fault of its own', () => {
    const known = new KeyproxyError('TENANT_UNKNOWN');
    expect(KeyproxyError.from(known)).toBe(known);
    for (const thrown of [new Error('secret text'), 'secret text', undefined, { reason: 'TENANT_UNKNOWN' }]) {
      const error = KeyproxyError.from(thrown);
      expect(error.reason).toBe('INTERNAL');
      expect(error.message).not.toContain('secret text');
      expect(error.cause).toBe(thrown);
    }
  });
});

describe('parseTenantId', () => {
  it.each(['a', 'tenant_12345', 'A.b-c_9', 'x'.repeat(128), '..', '-'])('takes %s', (id) => {
    expect(parseTenantId(id)).toBe(id);
    expect(isTenantId(id)).toBe(true);
  });

  it.each(['', ' ', 'a b', 'a/b', 'ä', 'x'.repeat(129), 'a\n', 'a\u0000', 'tenant:1'])('refuses %j', (id) => {
    const error = failureOf(() => parseTenantId(id));
    expect(error.reason).toBe('TENANT_ID_INVALID');
    expect(isTenantId(id)).toBe(false);
  });

  it('does not repeat what came', () => {
    expect(failureOf(() => parseTenantId('hunter2 hunter2')).message).not.toContain('hunter2');
  });
});
