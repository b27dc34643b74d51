/**
 * The name of a session under a customer's role: what the customer reads in CloudTrail beside every use of the key.
 * AWS STS API Reference, AssumeRole, `RoleSessionName`: 2 to 64 characters of `[\w+=,.@-]`.
 */
import { createHash } from 'node:crypto';

const maxLength = 64;
const hashLength = 12;

/**
 * `keyproxy-<tenant>-<node>`, in AWS's pattern. Where it had to be cleaned or cut it ends in a hash of the two names,
 * so that it stays unique.
 */
export function sessionName(tenantId: string, nodeName: string): string {
  const wanted = `keyproxy-${tenantId}-${nodeName}`;
  const clean = wanted.replace(/[^A-Za-z0-9_+=,.@-]/g, '-');
  if (clean === wanted && clean.length <= maxLength) return clean;
  const hash = createHash('sha256').update(`${tenantId}\0${nodeName}`).digest('hex').slice(0, hashLength);
  return `${clean.slice(0, maxLength - hashLength - 1)}-${hash}`;
}
