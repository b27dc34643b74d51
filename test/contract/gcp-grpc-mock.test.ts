/** Errors of Cloud KMS with their details, and answers that no honest service gives, as grpc-mock plays them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KmsFault } from '../../src/kms/fault.ts';
import { crc32c } from '../../src/kms/gcp/crc32c.ts';
import { versionName } from '../../src/kms/gcp/names.ts';
import { context, failureOf, never } from './calls.ts';
import { type Detail, errorWith, type PlayedKms, playKms, type Rule } from './gcp-grpc-mock-server.ts';
import { GcpWorld } from './gcp-world.ts';

const request = { length: 32, context, signal: never };
const unavailable: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };
const misconfigured: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };

function keyName(id: string): string {
  return `projects/p/locations/l/keyRings/r/cryptoKeys/${id}`;
}

function info(reason: string): Detail {
  return { type: 'ErrorInfo', fields: { reason, domain: 'googleapis.com' } };
}

/** As Cloud EKM tells it: the state of the key version, then the error domain. */
function ekm(id: string, domain: string, state = 'ENABLED'): Detail {
  const subject = versionName(keyName(id), '1');
  return {
    type: 'PreconditionFailure',
    fields: {
      violations: [
        { type: `KEY_${state}`, subject },
        { type: domain, subject },
      ],
    },
  };
}

function state(id: string, type: string): Detail {
  return { type: 'PreconditionFailure', fields: { violations: [{ type, subject: versionName(keyName(id), '1') }] } };
}

/** Key → the error of its Encrypt, and what it has to mean. */
const played: readonly [id: string, code: number, details: readonly Detail[], expected: KmsFault, shown: string][] = [
  ['ekm-timeout', 9, [ekm('ekm-timeout', 'TIMEOUT')], unavailable, 'FAILED_PRECONDITION/TIMEOUT'],
  ['ekm-busy', 9, [ekm('ekm-busy', 'OVERLOADED_EKM')], throttled, 'FAILED_PRECONDITION/OVERLOADED_EKM'],
  [
    'ekm-denied',
    9,
    [ekm('ekm-denied', 'EXTERNAL_PERMISSION_DENIED', 'DISABLED')],
    { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: true },
    'FAILED_PRECONDITION/EXTERNAL_PERMISSION_DENIED',
  ],
  [
    'disabled',
    9,
    [state('disabled', 'KEY_DISABLED')],
    { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true },
    'FAILED_PRECONDITION/KEY_DISABLED',
  ],
  ['api-off', 7, [info('SERVICE_DISABLED')], misconfigured, 'PERMISSION_DENIED/SERVICE_DISABLED'],
  [
    'denied',
    7,
    [info('IAM_PERMISSION_DENIED')],
    { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false },
    'PERMISSION_DENIED/IAM_PERMISSION_DENIED',
  ],
  [
    'busy',
    8,
    [{ type: 'RetryInfo', fields: { retryDelay: { seconds: 7, nanos: 250_000_000 } } }, info('RATE_LIMIT_EXCEEDED')],
    { ...throttled, retryAfterMs: 7_250 },
    'RESOURCE_EXHAUSTED/RATE_LIMIT_EXCEEDED',
  ],
  ['away', 14, [], unavailable, 'UNAVAILABLE'],
];

const ciphertext = Buffer.from('not really wrapped');
const whole = {
  ciphertext,
  ciphertextCrc32c: { value: crc32c(ciphertext) },
  verifiedPlaintextCrc32c: true,
  verifiedAdditionalAuthenticatedDataCrc32c: true,
};

/** Key → an answer of Encrypt that must not be believed, and the code that it is given. */
const dishonest: Readonly<Record<string, readonly [answer: object, kind: KmsFault, shown: string]>> = {
  'other-bytes': [{ ...whole, ciphertextCrc32c: { value: 1 } }, unavailable, 'CHECKSUM_MISMATCH'],
  'no-checksum': [{ ...whole, ciphertextCrc32c: undefined }, unavailable, 'CHECKSUM_MISMATCH'],
  'plaintext-unverified': [{ ...whole, verifiedPlaintextCrc32c: false }, unavailable, 'CHECKSUM_MISMATCH'],
  'context-unverified': [
    { ...whole, verifiedAdditionalAuthenticatedDataCrc32c: false },
    unavailable,
    'CHECKSUM_MISMATCH',
  ],
  nothing: [{}, unavailable, 'CHECKSUM_MISMATCH'],
  'other-key': [{ ...whole, name: versionName(keyName('somebody-else'), '1') }, misconfigured, 'OTHER_KEY'],
  'no-version': [{ ...whole, name: keyName('no-version') }, misconfigured, 'OTHER_KEY'],
};

function rules(): Rule[] {
  const ids = [...played.map(([id]) => id), ...Object.keys(dishonest), 'honest'];
  const input = (id: string) => `"name":"${keyName(id)}"`;
  const named = (id: string, answer: object) => ({ name: versionName(keyName(id), '1'), ...answer });
  return [
    ...ids.map((id) => ({
      method: 'GetCryptoKey',
      input: input(id),
      output: { name: keyName(id), purpose: 'ENCRYPT_DECRYPT' },
    })),
    ...played.map(([id, code, details]) => ({ method: 'Encrypt', input: input(id), error: errorWith(code, details) })),
    ...Object.entries(dishonest).map(([id, [answer]]) => ({
      method: 'Encrypt',
      input: input(id),
      output: named(id, answer),
    })),
    { method: 'Encrypt', input: input('honest'), output: named('honest', whole) },
    {
      method: 'Decrypt',
      input: input('honest'),
      output: { plaintext: Buffer.alloc(32, 7), plaintextCrc32c: { value: 12345 } },
    },
  ];
}

describe('Cloud KMS as grpc-mock plays it', () => {
  let world: GcpWorld;
  let mock: PlayedKms;

  beforeAll(async () => {
    world = await GcpWorld.start();
    mock = await playKms(rules());
  });

  afterAll(async () => {
    await mock[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  function open(id: string) {
    return world.open({ name: keyName(id) }, { endpoint: mock.endpoint });
  }

  it.each(played)('has %s sorted by code %i and its details', async (id, _code, _details, expected, shown) => {
    await using service = open(id);
    const error = await failureOf(service.generate(request));
    expect(error.fault).toEqual(expected);
    expect(error.details).toMatchObject({ provider: 'gcp_kms', operation: 'Encrypt', providerCode: shown });
    expect(JSON.stringify(error.details)).not.toContain('played by');
  });

  it.each(Object.entries(dishonest))('is not believed with %s', async (id, [_answer, expected, shown]) => {
    await using service = open(id);
    const before = mock.asked('Encrypt');
    const error = await failureOf(service.generate(request));
    expect(error.fault).toEqual(expected);
    expect(error.details.providerCode).toBe(shown);
    expect(mock.asked('Encrypt') - before).toBe(shown === 'CHECKSUM_MISMATCH' ? 2 : 1);
  });

  it('is not believed with a plaintext of another checksum', async () => {
    await using service = open('honest');
    const { entry } = await service.generate(request);
    expect(service.describe(entry).keyVersion).toBe('1');
    const error = await failureOf(service.unwrap({ entry, context, signal: never }));
    expect(error.fault).toEqual(unavailable);
    expect(mock.asked('Decrypt')).toBe(2);
  });
});
