/** Who is remembered by a certificate. */
import { expect, test } from 'vitest';
import type { Caller } from '../../../src/base/caller.ts';
import { SvidCallers } from '../../../src/identity/svid-callers.ts';
import { makeKeys, makeRoot, trustDomain, workload } from '../../support/svids.ts';

const root = makeRoot();

function callerOf(callers: SvidCallers, der: Buffer): Caller {
  const admission = callers.admissionOf(der);
  if (admission.kind === 'admitted') return admission.caller;
  throw new Error(admission.why);
}

test('names the caller of a certificate, and says why it names none', () => {
  const callers = new SvidCallers(trustDomain);
  expect(callerOf(callers, root.issue().der)).toEqual({ kind: 'spiffe', id: workload });
  const evil = root.issue({ uris: ['spiffe://evil.org/web'] });
  expect(callers.admissionOf(evil.der)).toEqual({
    kind: 'refused',
    why: 'the certificate is refused: it is of another trust domain',
  });
});

test('remembers a thousand callers and no more', () => {
  const callers = new SvidCallers(trustDomain);
  const keys = makeKeys();
  const first = root.issue({ keys }).der;
  const known = callerOf(callers, first);
  for (let count = 1; count < 1000; count += 1) callerOf(callers, root.issue({ keys }).der);
  expect(callerOf(callers, first)).toBe(known);
  callerOf(callers, root.issue({ keys }).der);
  expect(callerOf(callers, first)).not.toBe(known);
});
