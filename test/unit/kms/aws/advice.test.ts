/** Every failure that somebody can do something about comes with the next step, in keyproxy's own words. */
import { describe, expect, it } from 'vitest';
import { adviceFor, adviceForState } from '../../../../src/kms/aws/advice.ts';
import {
  assumeRoleFaults,
  decryptFaults,
  keyStateFaults,
  kmsFaults,
  sortFault,
} from '../../../../src/kms/aws/faults.ts';
import type { KmsFault } from '../../../../src/kms/fault.ts';

function advised(operation: string, code: string, table = kmsFaults): string | undefined {
  return adviceFor({ operation, code, fault: sortFault(table, { code, status: 400 }) });
}

/** What every transport failure is sorted as. */
const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };

describe('the advice on a failed call to AWS', () => {
  it.each([
    ['Decrypt', 'DisabledException', 'enable the key'],
    ['Decrypt', 'NotFoundException', 'account and region'],
    ['Encrypt', 'AccessDeniedException', 'kms:Encrypt'],
    ['GenerateDataKey', 'AccessDeniedException', 'kms:ViaService'],
    ['GenerateDataKey', 'InvalidKeyUsageException', 'ENCRYPT_DECRYPT'],
    ['GenerateDataKey', 'UnsupportedOperationException', 'kms:DescribeKey'],
    ['GenerateDataKey', 'InvalidArnException', 'arn:aws:kms:REGION:ACCOUNT:key/KEY-ID'],
    ['GenerateDataKey', 'ValidationException', 'key_arn'],
    ['Decrypt', 'KMSInvalidStateException', 'kms:DescribeKey'],
    ['Decrypt', 'ThrottlingException', 'quota'],
    ['Decrypt', 'ExpiredTokenException', "keyproxy's own credentials"],
    ['Decrypt', 'UnrecognizedClientException', "keyproxy's own credentials"],
    ['Decrypt', 'InvalidSignatureException', 'clock'],
    ['Decrypt', 'OptInRequired', 'enable the key'],
  ])('on %s with %s says what to look at', (operation, code, part) => {
    expect(advised(operation, code)).toContain(part);
  });

  it('on a denied role says all that AWS does not tell apart', () => {
    for (const part of ['role exists', 'trust policy', 'external_id', 'sts:AssumeRole']) {
      expect(advised('AssumeRole', 'AccessDenied', assumeRoleFaults)).toContain(part);
    }
  });

  it.each([
    'SELF_SIGNED_CERT_IN_CHAIN',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'CERT_HAS_EXPIRED',
    'CERT_NOT_YET_VALID',
    'CERT_REVOKED',
    'CERT_UNTRUSTED',
    'CERT_REJECTED',
    'CERT_SIGNATURE_FAILURE',
    'CERT_CHAIN_TOO_LONG',
    'INVALID_CA',
    'INVALID_PURPOSE',
    'HOSTNAME_MISMATCH',
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ])('on a certificate that is not trusted (%s) tells where trust comes from', (code) => {
    expect(adviceFor({ operation: 'Decrypt', code, fault: outage })).toContain('NODE_EXTRA_CA_CERTS');
  });

  it.each(['HTTP 200', 'HTTP 403', 'HTTP 502', 'SyntaxError'])("on somebody else's page (%s) names the way", (code) => {
    expect(adviceFor({ operation: 'Decrypt', code, fault: outage })).toContain('proxies');
  });

  it.each(['ETIMEDOUT', 'ECONNRESET', 'AbortError', 'constructor', '__proto__', 'toString'])(
    'has none on %s',
    (code) => {
      expect(adviceFor({ operation: 'Decrypt', code, fault: outage })).toBeUndefined();
    },
  );

  it('is there for every state of a key that stops it, and for every fault that is not the service’s alone', () => {
    const states = Object.keys(keyStateFaults).filter((state) => !['Creating', 'Updating'].includes(state));
    expect(states.filter((state) => !Object.hasOwn(adviceForState, state))).toEqual([]);
    const tables = [...Object.entries(kmsFaults), ...Object.entries(assumeRoleFaults)];
    const ours = ['InvalidAction', 'UnknownOperationException', 'SerializationException', 'InvalidGrantTokenException'];
    const silent = tables.filter(
      ([code, fault]) =>
        !(fault.kind === 'outage' && fault.reason === 'KEY_SERVICE_UNAVAILABLE') &&
        !code.startsWith('MalformedPolicyDocument') &&
        !ours.includes(code) &&
        fault.kind !== 'data' &&
        adviceFor({ operation: 'Encrypt', code, fault }) === undefined,
    );
    expect(silent).toEqual([]);
  });

  it('is never given on faults of the data, which all have to look alike', () => {
    for (const [code, fault] of Object.entries(decryptFaults)) {
      if (fault.kind === 'data') expect(adviceFor({ operation: 'Decrypt', code, fault })).toBeUndefined();
    }
  });
});
