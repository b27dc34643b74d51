/**
 * What a vault says when it says no: `{"error":{"code","message","innererror":{"code"}}}`, the inner code being what
 * tells one 403 from another.
 *
 * Sources: "Azure Key Vault REST API Error Codes" and the troubleshooting guides of the Azure SDKs for the texts;
 * recordings of the service in the tests of those SDKs for 401, 404 and the headers. The inner codes of keys outside of
 * their time (`KeyNotYetValid`, `KeyExpired`) are documented nowhere and follow those of secrets.
 */
import { ServiceError } from './answering.ts';

const inner = {
  ForbiddenByFirewall: 'Forbidden',
  ForbiddenByPolicy: 'Forbidden',
  ForbiddenByRbac: 'Forbidden',
  KeyDisabled: 'Forbidden',
  KeyExpired: 'Forbidden',
  KeyNotYetValid: 'Forbidden',
  KeyOperationForbidden: 'Forbidden',
  VaultRequestTypeLimitReached: 'Throttled',
} as const;

const statuses = { Forbidden: 403, Throttled: 429 } as const;

/** A code that stands in `innererror`. */
export type InnerCode = keyof typeof inner;

/** An error that has an inner code. */
export function refusal(code: InnerCode, message: string): ServiceError {
  const outer = inner[code];
  return new ServiceError({
    code,
    status: statuses[outer],
    body: { error: { code: outer, message, innererror: { code } } },
  });
}

/** 403 without an inner code, as a managed HSM answers those that no role of its own allows. */
export function forbidden(message: string): ServiceError {
  return plain('Forbidden', 403, message);
}

/** 400 for anything that is wrong with a request. */
export function badParameter(message: string): ServiceError {
  return plain('BadParameter', 400, message);
}

/** 404 for a key, or a version of one, that is not there or has been deleted. */
export function keyNotFound(name: string, version = ''): ServiceError {
  const named = version === '' ? name : `${name}/${version}`;
  const hint =
    'If you recently deleted this key you may be able to recover it using the correct recovery command. ' +
    'For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182';
  return plain('KeyNotFound', 404, `A key with (name/id) ${named} was not found in this key vault. ${hint}`);
}

/** An error by its code, status and text alone. */
export function plain(code: string, status: number, message: string): ServiceError {
  return new ServiceError({ code, status, body: { error: { code, message } } });
}

/** An error as a fault asks for it: `BadParameter`, or with an inner code behind it, `Forbidden/KeyDisabled`. */
export function injectedVaultError(fault: { code: string; status: number; message?: string }): ServiceError {
  const [code = '', innerCode] = fault.code.split('/');
  const { status, message = 'the fault that a test asked for' } = fault;
  const innererror = innerCode === undefined ? {} : { innererror: { code: innerCode } };
  return new ServiceError({ code: innerCode ?? code, status, body: { error: { code, message, ...innererror } } });
}
