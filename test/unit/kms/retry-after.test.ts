import { expect, it } from 'vitest';
import type { KmsFault } from '../../../src/kms/fault.ts';
import { withRetryAfter } from '../../../src/kms/retry-after.ts';

const now = Date.UTC(2026, 10, 1);
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };

it.each([
  ['0', 0],
  ['5', 5_000],
  ['999999', 999_999_000],
  ['Sun, 01 Nov 2026 00:00:09 GMT', 9_000],
  ['Sat, 31 Oct 2026 23:59:00 GMT', 0],
])('a Retry-After of %s is a pause of %i ms', (header, pause) => {
  expect(withRetryAfter(throttled, header, now)).toEqual({ ...throttled, retryAfterMs: pause });
});

it.each(['', '-1', '1.5', '1000000', ' 5', 'soon', 'soon GMT', '2026-11-01T00:00:09Z', undefined])(
  'a Retry-After of %s is none',
  (header) => {
    expect(withRetryAfter(throttled, header, now)).toBe(throttled);
  },
);

it('a refusal takes no pause: nobody is to come back', () => {
  const refusal: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
  expect(withRetryAfter(refusal, '5', now)).toBe(refusal);
});
