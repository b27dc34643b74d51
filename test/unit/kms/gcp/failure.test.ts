import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KmsFault } from '../../../../src/kms/fault.ts';
import { type CallSubject, kmsErrorFrom } from '../../../../src/kms/gcp/failure.ts';
import {
  codeFaults,
  ekmFaults,
  grpcCodeNames,
  reasonFaults,
  violationStateFaults,
} from '../../../../src/kms/gcp/faults.ts';
import { statusOf } from '../../../../src/kms/gcp/status-details.ts';

const keyName = 'projects/p/locations/l/keyRings/r/cryptoKeys/k';
const decrypt: CallSubject = { action: 'decrypt', keyName, version: '1', current: '1' };
const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };

function violation(type: string, version = '1') {
  return { code: 9, statusDetails: [{ violations: [{ type, subject: `${keyName}/cryptoKeyVersions/${version}` }] }] };
}

describe('a status that the service did not send', () => {
  it.each(Object.keys(grpcCodeNames))('is an outage with code %s, and never a refusal', (code) => {
    const error = kmsErrorFrom({ code: Number(code), reason: 'SERVICE_DISABLED' }, decrypt, false);
    expect(error.fault).toEqual(outage);
    expect(error.details.providerCode).toMatch(/^transport\//);
  });

  it.each([undefined, null, 'text', new Error('x'), { code: 'ECONNRESET' }, []])(
    'is an outage where it is %j',
    (thrown) => {
      expect(kmsErrorFrom(thrown, decrypt, false).fault).toEqual(outage);
    },
  );
});

describe('a status of the service', () => {
  it('refuses only where a table says so, whatever it holds', () => {
    const names = [
      ...Object.keys({ ...reasonFaults, ...ekmFaults, ...violationStateFaults }),
      'SOMETHING_NEW',
      '__proto__',
    ];
    const status = fc.record(
      {
        code: fc.integer({ min: -1, max: 20 }),
        reason: fc.constantFrom(...names),
        statusDetails: fc.array(fc.record({ violations: fc.array(fc.record({ type: fc.constantFrom(...names) })) })),
      },
      { requiredKeys: [] },
    );
    const refusing = new Set([
      'PERMISSION_DENIED',
      'SECURITY_POLICY_VIOLATED',
      'EXTERNAL_PERMISSION_DENIED',
      ...Object.keys(violationStateFaults),
    ]);
    fc.assert(
      fc.property(status, (thrown) => {
        const { fault } = kmsErrorFrom(thrown, decrypt, true);
        if (fault.kind !== 'refusal') return;
        const types = thrown.statusDetails?.flatMap((detail) => detail.violations.map(({ type }) => type)) ?? [];
        const said = [grpcCodeNames[thrown.code ?? 0] ?? '', thrown.reason ?? '', ...types];
        expect(said.some((name) => refusing.has(name))).toBe(true);
      }),
    );
  });

  it('is ambiguous where its code is unknown', () => {
    expect(kmsErrorFrom({ code: 99 }, decrypt, true).fault).toEqual({ ...outage, kind: 'ambiguous' });
    expect(kmsErrorFrom({}, decrypt, true).fault).toEqual({ ...outage, kind: 'ambiguous' });
  });

  it.each([
    ['the current version', 'decrypt', '1', true],
    ['an old version', 'decrypt', '2', false],
    ['the current version of an RSA key', 'asymmetricDecrypt', '1', true],
    ['an old version of an RSA key', 'asymmetricDecrypt', '2', false],
    ['whatever is encrypted with', 'encrypt', '2', true],
  ] as const)('about %s refuses the key: %s, %s, %s', (_, action, version, keyWide) => {
    const { fault } = kmsErrorFrom(violation('KEY_DISABLED', version), { ...decrypt, action }, true);
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_DISABLED', keyWide });
  });

  it('is about the version that its details name, not about the one that was asked for', () => {
    const { version } = kmsErrorFrom(violation('KEY_DISABLED', '7'), decrypt, true) as { version?: string };
    expect(version).toBe('7');
    const stranger = {
      ...violation('KEY_DISABLED'),
      statusDetails: [{ violations: [{ type: 'KEY_DISABLED', subject: 'x/1' }] }],
    };
    expect((kmsErrorFrom(stranger, decrypt, true) as { version?: string }).version).toBe('1');
  });

  it.each([
    ['decrypt', true],
    ['encrypt', false],
    ['asymmetricDecrypt', true],
    ['getPublicKey', false],
  ] as const)('that denies %s refuses the whole key: %s', (action, keyWide) => {
    const { fault } = kmsErrorFrom({ code: 7 }, { ...decrypt, action }, true);
    expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide });
  });

  it('prefers the external key manager’s own word to the state that it left', () => {
    const both = violation('KEY_DISABLED');
    both.statusDetails[0]?.violations.push({ type: 'EXTERNAL_PERMISSION_DENIED', subject: '' });
    expect(kmsErrorFrom(both, decrypt, true).fault).toMatchObject({ reason: 'KEY_ACCESS_DENIED', keyWide: true });
  });

  it.each([
    [{ seconds: 3, nanos: 500_000_000 }, 3_500],
    [{ seconds: '2' }, 2_000],
    [{ seconds: { low: 4, high: 0, toString: () => '4' } }, 4_000],
    [{ seconds: 10 ** 9 }, 86_400_000],
    [{ seconds: -1 }, undefined],
    [{ seconds: 'x' }, undefined],
  ])('waits as RetryInfo says (%j)', (retryDelay, expected) => {
    const { fault } = kmsErrorFrom({ code: 8, statusDetails: [{ retryDelay }] }, decrypt, true);
    expect(fault.kind === 'outage' ? fault.retryAfterMs : 'no outage').toBe(expected);
  });

  it('leaves nothing of the provider’s text behind', () => {
    const thrown = {
      code: 7,
      message: 'secret text',
      details: 'secret text',
      reason: 'secret text',
      statusDetails: [{ requestId: 'secret text!', violations: [{ type: 'secret text', subject: 'secret text' }] }],
    };
    expect(inspect(kmsErrorFrom(thrown, decrypt, true), { depth: 9, showHidden: true })).not.toContain('secret text');
  });

  it('keeps a request id where there is one', () => {
    expect(statusOf({ statusDetails: [{ requestId: 'abc-123' }] }).requestId).toBe('abc-123');
  });
});

it('Every code of gRPC but OK has a row of its own', () => {
  expect(Object.values(grpcCodeNames).sort()).toEqual(Object.keys(codeFaults).sort());
  expect(Object.keys(grpcCodeNames)).toHaveLength(16);
});
