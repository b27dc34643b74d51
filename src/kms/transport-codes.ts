/** What the codes of a connection that did not come about mean, the operating system's and OpenSSL's by Node's names. */

/** Codes for a certificate that is not trusted (Node.js, "TLS: X509 certificate error codes"); most have CERT in them. */
const untrusted = /CERT|^UNABLE_TO_VERIFY_|^INVALID_(?:CA|PURPOSE)$|^PATH_LENGTH_EXCEEDED$|^HOSTNAME_MISMATCH$/;

const unresolved = 'check the name of the host, and that this machine can resolve it';
const unreachable = 'check the address, and routes and firewalls on the way: it cannot be reached from here';

const advice: Readonly<Record<string, string>> = {
  ENOTFOUND: unresolved,
  EAI_AGAIN: unresolved,
  ECONNREFUSED: 'check the address, and firewalls on the way: nothing takes connections there',
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
};

/** Whether a connection failed for a certificate that is not trusted. */
export function isUntrustedCertificate(code: string): boolean {
  return untrusted.test(code);
}

/** The next step where a host was not reached, for `KmsErrorDetails.advice`; undefined for every other code. */
export function adviceForUnreached(code: string): string | undefined {
  return Object.hasOwn(advice, code) ? advice[code] : undefined;
}
