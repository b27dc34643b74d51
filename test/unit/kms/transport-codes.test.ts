import { expect, it } from 'vitest';
import { adviceForUnreached, isUntrustedCertificate } from '../../../src/kms/transport-codes.ts';

it.each([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'HOSTNAME_MISMATCH',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])('%s is a certificate that is not trusted', (code) => {
  expect(isUntrustedCertificate(code)).toBe(true);
  expect(adviceForUnreached(code)).toBeUndefined();
});

it.each(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH'])(
  '%s is a host that was not reached, with a next step',
  (code) => {
    expect(isUntrustedCertificate(code)).toBe(false);
    expect(adviceForUnreached(code)).toMatch(/^check /);
  },
);

it.each(['ECONNRESET', 'ETIMEDOUT', 'ERR_SSL_WRONG_VERSION_NUMBER', 'Timeout', 'constructor', '__proto__'])(
  '%s says nothing that somebody could act on',
  (code) => {
    expect(isUntrustedCertificate(code)).toBe(false);
    expect(adviceForUnreached(code)).toBeUndefined();
  },
);
