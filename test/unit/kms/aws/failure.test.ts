import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { kmsErrorFrom } from '../../../../src/kms/aws/failure.ts';
import {
  assumeRoleFaults,
  decryptFaults,
  keyStateFaults,
  kmsFaults,
  sortFault,
} from '../../../../src/kms/aws/faults.ts';
import { KmsError, type KmsFault } from '../../../../src/kms/fault.ts';

const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };
const now = Date.UTC(2026, 0, 1);

/** What the SDK throws for an error that the service itself answered with. */
function serviceError(name: string, status = 400, headers: Record<string, string> = {}): Error {
  const error = new Error('User: arn:aws:iam::111122223333:user/secret is not authorized');
  const $metadata = { httpStatusCode: status, requestId: 'd0a5a0f0-1111-2222-3333-444455556666' };
  return Object.assign(error, { name, $fault: 'client', $metadata, $response: { statusCode: status, headers } });
}

function sorted(thrown: unknown, table = kmsFaults): KmsError {
  return kmsErrorFrom(thrown, { operation: 'Decrypt', table, now });
}

describe('the fault tables of AWS', () => {
  it('tell a refusal by the key from one that only this request met', () => {
    expect(kmsFaults['DisabledException']).toMatchObject({ kind: 'refusal', keyWide: true });
    expect(kmsFaults['AccessDeniedException']).toMatchObject({ kind: 'refusal', keyWide: false });
    expect(assumeRoleFaults['AccessDenied']).toEqual({ kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true });
    const kinds = Object.entries(keyStateFaults).map(([state, { kind }]) => [state, kind]);
    expect(Object.fromEntries(kinds)).toEqual({
      Disabled: 'refusal',
      PendingDeletion: 'refusal',
      PendingReplicaDeletion: 'refusal',
      PendingImport: 'refusal',
      Creating: 'outage',
      Updating: 'outage',
      Enabled: 'outage',
      Unavailable: 'outage',
    });
  });

  it('never take a failed validation of Decrypt for a fault of the configuration', () => {
    expect(decryptFaults['ValidationException']).toEqual({ kind: 'data' });
    expect(kmsFaults['ValidationException']).toMatchObject({ kind: 'config' });
  });

  it('never refuse by a code that every service may answer with', () => {
    for (const code of ['ExpiredTokenException', 'ThrottlingException', 'InternalFailure', 'ServiceUnavailable']) {
      for (const table of [kmsFaults, assumeRoleFaults]) {
        expect(sortFault(table, { code, status: 400 }).kind).not.toBe('refusal');
      }
    }
  });

  it.each(['constructor', '__proto__', 'toString'])('take the code %s for one they do not know', (code) => {
    expect(sortFault(kmsFaults, { code, status: 400 })).toMatchObject({ kind: 'ambiguous' });
  });
});

describe('kmsErrorFrom', () => {
  it('keeps the code and the request id, which find the entry in the customer’s log', () => {
    const { fault, details } = sorted(serviceError('DisabledException'));
    expect(fault).toMatchObject({ reason: 'KEY_DISABLED' });
    expect(details).toEqual({
      provider: 'aws_kms',
      operation: 'Decrypt',
      providerCode: 'DisabledException',
      requestId: 'd0a5a0f0-1111-2222-3333-444455556666',
      advice: expect.stringContaining('enable the key'),
    });
  });

  it('keeps nothing of the provider’s own text, which may quote the answer', () => {
    const parseError = new SyntaxError('Unexpected end of JSON input in {"Plaintext":"c2VjcmV0');
    Object.assign(parseError, { $metadata: { httpStatusCode: 200 }, $responseBodyText: 'c2VjcmV0' });
    for (const thrown of [serviceError('AccessDeniedException'), parseError]) {
      expect(inspect(sorted(thrown), { depth: 9, showHidden: true })).not.toMatch(/c2VjcmV0|arn:aws|authorized/);
    }
  });

  it('keeps no code or request id of an unexpected shape', () => {
    const error = serviceError('Bad\nCode: injected');
    Object.assign(error, { $metadata: { httpStatusCode: 400, requestId: 'a b\n' } });
    const { advice: _advice, ...kept } = sorted(error).details;
    expect(kept).toEqual({ provider: 'aws_kms', operation: 'Decrypt', providerCode: 'HTTP 400' });
  });

  const silent: readonly [string, unknown, string][] = [
    [
      'a reset connection',
      Object.assign(new Error('read'), { name: 'TimeoutError', code: 'ECONNRESET' }),
      'ECONNRESET',
    ],
    ['a timeout', Object.assign(new Error('over'), { name: 'TimeoutError', code: 'ETIMEDOUT' }), 'ETIMEDOUT'],
    ['a name that does not resolve', Object.assign(new Error('dns'), { code: 'ENOTFOUND' }), 'ENOTFOUND'],
    ['a bad certificate', Object.assign(new Error('tls'), { code: 'CERT_HAS_EXPIRED' }), 'CERT_HAS_EXPIRED'],
    ['an abort', Object.assign(new Error('Request aborted'), { name: 'AbortError' }), 'AbortError'],
    ['a page with 403', Object.assign(new SyntaxError('<'), { $metadata: { httpStatusCode: 403 } }), 'HTTP 403'],
    ['an empty 400', serviceError('Unknown', 400), 'HTTP 400'],
    ['a thrown string', 'oops', 'NoAnswer'],
    ['nothing', undefined, 'NoAnswer'],
  ];
  it.each(silent)('sorts %s as an outage', (_, thrown, providerCode) => {
    const error = sorted(thrown);
    expect(error.fault).toEqual(outage);
    expect(error.details.providerCode).toBe(providerCode);
  });

  it('sorts a code that it does not know as ambiguous, and as an outage where the server failed', () => {
    expect(sorted(serviceError('NewException', 400)).fault.kind).toBe('ambiguous');
    expect(sorted(serviceError('NewException', 503)).fault).toEqual(outage);
    expect(sorted(serviceError('NewException', 429)).fault).toEqual(throttled);
  });

  const waits: readonly [string, number | undefined][] = [
    ['0', 0],
    ['7', 7_000],
    [new Date(now + 30_000).toUTCString(), 30_000],
    [new Date(now - 30_000).toUTCString(), 0],
    ['soon', undefined],
    ['-1', undefined],
    ['1e9', undefined],
  ];
  it.each(waits)('reads Retry-After "%s" as %s ms', (header, retryAfterMs) => {
    const { fault } = sorted(serviceError('ThrottlingException', 400, { 'retry-after': header }));
    expect(fault).toEqual({ ...throttled, ...(retryAfterMs !== undefined && { retryAfterMs }) });
  });

  it('passes on an error that has been sorted already', () => {
    const error = new KmsError({ kind: 'credentials' }, { provider: 'aws_kms', operation: 'GetCredentials' });
    expect(sorted(error)).toBe(error);
  });
});
