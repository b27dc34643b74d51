/** What a key service asks of those who come too soon. */
import type { KmsFault } from './fault.ts';

/**
 * The fault with the pause that a Retry-After header asks for, in either of its forms (RFC 9110, section 10.2.3): whole
 * seconds, or a date, which is read against `now`, wall-clock time in milliseconds. Unchanged where the fault is no
 * outage, and where `header` is absent or neither of the two.
 */
export function withRetryAfter(fault: KmsFault, header: string | undefined, now: number): KmsFault {
  if (fault.kind !== 'outage' || header === undefined) return fault;
  const retryAfterMs = read(header, now);
  return retryAfterMs === undefined ? fault : { ...fault, retryAfterMs };
}

function read(header: string, now: number): number | undefined {
  if (/^\d{1,6}$/.test(header)) return Number(header) * 1000;
  const date = header.endsWith(' GMT') ? Date.parse(header) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
