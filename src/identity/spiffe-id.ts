/**
 * Names of workloads as SPIFFE writes them: `spiffe://trust-domain/path`
 * (https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md, sections 2.1 to 2.3). One name has one spelling here:
 * capitals in the scheme or the trust domain, and percent encoding anywhere, are refused and not rewritten, so that names
 * can be compared as text.
 */

/** A name in its parts; `path` begins with a slash, or is empty for the trust domain itself. */
export interface SpiffeId {
  readonly trustDomain: string;
  readonly path: string;
}

/** The longest name that everybody has to take, in bytes (section 2.3). */
const longestId = 2048;

const scheme = 'spiffe://';

/** Section 2.1; the length is that of a host in RFC 3986, section 3.2.2. */
const trustDomainRule = /^[a-z0-9._-]{1,255}$/;

/** Section 2.2: segments that are neither empty nor `.` or `..`; so no slash at the end. */
const pathRule = /^(?:\/(?!\.{1,2}(?:\/|$))[a-zA-Z0-9._-]+)*$/;

/** Tells whether a trust domain may have this name. */
export function isTrustDomain(name: string): boolean {
  return trustDomainRule.test(name);
}

/** The parts of a valid name; undefined for everything else. */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  if (text.length > longestId || !text.startsWith(scheme)) return undefined;
  const slash = text.indexOf('/', scheme.length);
  const end = slash === -1 ? text.length : slash;
  const [trustDomain, path] = [text.slice(scheme.length, end), text.slice(end)];
  return isTrustDomain(trustDomain) && pathRule.test(path) ? { trustDomain, path } : undefined;
}
