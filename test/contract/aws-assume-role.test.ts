/** What STS answers when it does not give a session, over the wire, and what each answer has to mean. */
import { describe, expect, it } from 'vitest';
import { assumeRoleFaults } from '../../src/kms/aws/faults.ts';
import type { KmsFault } from '../../src/kms/fault.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { AwsWorld, externalId } from './aws-world.ts';
import { context, failureOf, never } from './calls.ts';

const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const good = { demanded: externalId, given: externalId };

function generate(service: KeyService): Promise<unknown> {
  return service.generate({ length: 32, context, signal: never });
}

/** Written down a second time, beside the provider's own table. */
const kindOfCode: Readonly<Record<string, KmsFault['kind']>> = {
  AccessDenied: 'refusal',
  AccessDeniedException: 'refusal',
  ExpiredToken: 'credentials',
  ExpiredTokenException: 'credentials',
  IDPCommunicationError: 'outage',
  IDPCommunicationErrorException: 'outage',
  IncompleteSignature: 'credentials',
  IncompleteSignatureException: 'credentials',
  InternalError: 'outage',
  InternalFailure: 'outage',
  InternalServerError: 'outage',
  InvalidAccessKeyId: 'credentials',
  InvalidAction: 'config',
  InvalidClientTokenId: 'credentials',
  InvalidSignatureException: 'credentials',
  LimitExceededException: 'outage',
  MalformedPolicyDocument: 'config',
  MalformedPolicyDocumentException: 'config',
  MissingAuthenticationToken: 'credentials',
  MissingAuthenticationTokenException: 'credentials',
  OptInRequired: 'config',
  PackedPolicyTooLarge: 'config',
  PackedPolicyTooLargeException: 'config',
  RegionDisabledException: 'config',
  RequestExpired: 'credentials',
  RequestLimitExceeded: 'outage',
  RequestThrottled: 'outage',
  RequestThrottledException: 'outage',
  RequestTimeout: 'outage',
  RequestTimeoutException: 'outage',
  SerializationException: 'config',
  ServiceUnavailable: 'outage',
  ServiceUnavailableException: 'outage',
  SignatureDoesNotMatch: 'credentials',
  ThrottledException: 'outage',
  Throttling: 'outage',
  ThrottlingException: 'outage',
  TooManyRequestsException: 'outage',
  UnknownOperationException: 'config',
  UnrecognizedClientException: 'credentials',
  ValidationError: 'config',
};

describe('AssumeRole', () => {
  it('goes through every code of its fault table here', () => {
    expect(Object.keys(kindOfCode).sort()).toEqual(Object.keys(assumeRoleFaults).sort());
  });

  it.each(Object.entries(kindOfCode))('takes %s for a fault of kind %s', async (code, kind) => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    world.aws.faults.add({ service: 'sts', fault: { kind: 'error', code, status: 400 } });
    expect((await failureOf(generate(key.service))).fault.kind).toBe(kind);
    expect(world.aws.count('AssumeRole')).toBe(kind === 'credentials' ? 2 : 1);
  });

  it.each([200, 403, 502])('takes a page of a proxy with %i for an outage', async (status) => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    world.aws.faults.add({ service: 'sts', fault: { kind: 'html', status } });
    expect((await failureOf(generate(key.service))).fault).toEqual(outage);
  });

  it('lets a caller give up while it hangs, at once', async () => {
    await using world = await AwsWorld.start();
    await using key = world.openRoleKey(good);
    world.aws.faults.add({ service: 'sts', fault: { kind: 'hang' } });
    const start = performance.now();
    const call = key.service.generate({ length: 32, context, signal: AbortSignal.timeout(100) });
    expect((await failureOf(call)).fault).toEqual(outage);
    expect(performance.now() - start).toBeLessThan(3_000);
  });
});
