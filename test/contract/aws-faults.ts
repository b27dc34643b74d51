/**
 * What the AWS simulator can be made to do to a call, and what each has to end with: written down a second time,
 * beside the provider's own table, from `kms:` and `sts:` error references.
 */
import type { KmsFault } from '../../src/kms/fault.ts';
import type { StoreCondition, StoreType } from '../simulators/aws/custom-key-store.ts';
import type { Fault } from '../simulators/http/fault.ts';
import type { AwsKeyInHand, AwsWorld } from './aws-world.ts';
import type { KeyOperation } from './calls.ts';
import type { FaultCase, SilenceCase } from './key-service.contract.ts';

const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };
const denied: KmsFault = { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false };
const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const pendingDeletion: KmsFault = { kind: 'refusal', reason: 'KEY_PENDING_DELETION', keyWide: true };
const invalidState: KmsFault = { kind: 'refusal', reason: 'KEY_STATE_INVALID', keyWide: true };
const unclear: KmsFault = { kind: 'ambiguous', reason: 'KEY_STATE_INVALID' };
const missing: KmsFault = { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' };
const misconfigured: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };
const unsuitable: KmsFault = { kind: 'config', reason: 'KEY_UNSUITABLE' };
const stale: KmsFault = { kind: 'credentials' };
const data: KmsFault = { kind: 'data' };

type AwsFaultCase = FaultCase<AwsWorld, AwsKeyInHand>;

/** Every error code with its status, and what it has to mean. */
const codes: readonly [code: string, status: number, expected: KmsFault][] = [
  ['DisabledException', 400, disabled],
  ['AccessDeniedException', 400, denied],
  ['AccessDenied', 403, denied],
  ['NotAuthorized', 400, denied],
  // DescribeKey says that the key is enabled.
  ['KMSInvalidStateException', 400, outage],
  ['NotFoundException', 400, missing],
  ['InvalidCiphertextException', 400, data],
  ['IncorrectKeyException', 400, data],
  ['UnsupportedOperationException', 400, unsuitable],
  ['InvalidArnException', 400, misconfigured],
  ['InvalidGrantTokenException', 400, misconfigured],
  ['ValidationError', 400, misconfigured],
  ['OptInRequired', 403, misconfigured],
  ['InvalidAction', 400, misconfigured],
  ['UnknownOperationException', 400, misconfigured],
  ['SerializationException', 400, misconfigured],
  ['KMSInternalException', 500, outage],
  ['DependencyTimeoutException', 503, outage],
  ['KeyUnavailableException', 500, outage],
  ['InternalFailure', 500, outage],
  ['InternalError', 500, outage],
  ['InternalServerError', 500, outage],
  ['ServiceUnavailable', 503, outage],
  ['ServiceUnavailableException', 503, outage],
  ['RequestTimeout', 408, outage],
  ['RequestTimeoutException', 400, outage],
  ['Throttling', 400, throttled],
  ['ThrottlingException', 400, throttled],
  ['ThrottledException', 400, throttled],
  ['RequestThrottled', 400, throttled],
  ['RequestThrottledException', 400, throttled],
  ['RequestLimitExceeded', 503, throttled],
  ['TooManyRequestsException', 429, throttled],
  ['LimitExceededException', 400, throttled],
  ['ExpiredToken', 403, stale],
  ['ExpiredTokenException', 400, stale],
  ['UnrecognizedClientException', 400, stale],
  ['InvalidClientTokenId', 403, stale],
  ['InvalidAccessKeyId', 403, stale],
  ['MissingAuthenticationToken', 403, stale],
  ['MissingAuthenticationTokenException', 400, stale],
  ['InvalidSignatureException', 400, stale],
  ['IncompleteSignature', 400, stale],
  ['IncompleteSignatureException', 400, stale],
  ['SignatureDoesNotMatch', 403, stale],
  ['RequestExpired', 400, stale],
  ['SomethingNewException', 400, { kind: 'ambiguous', reason: 'KEY_SERVICE_UNAVAILABLE' }],
  ['SomethingNewException', 500, outage],
];

/** The codes that the cases below go through. */
export const coveredCodes: ReadonlySet<string> = new Set([
  ...codes.map(([code]) => code),
  'ValidationException',
  'InvalidKeyUsageException',
]);

/** Meets calls to one key, `times` of them, or as many as there are. */
function meet(fault: Fault, times?: number) {
  return ({ aws }: AwsWorld, { owned }: AwsKeyInHand) => {
    const rule = { service: 'kms' as const, keyArn: owned.arn, fault, ...(times !== undefined && { times }) };
    for (const operation of ['GenerateDataKey', 'Encrypt', 'Decrypt']) aws.faults.add({ ...rule, operation });
  };
}

function failing(name: string, fault: Fault, expected: KmsFault | 'success', times?: number): AwsFaultCase {
  return { name, arrange: meet(fault, times), expected };
}

/** A code that tells of the entry where one is opened, and of the key where one is made. */
function byOperation(code: string, expected: KmsFault, operations: readonly KeyOperation[]): AwsFaultCase {
  return { ...failing(code, error(code, 400), expected), operations };
}

function error(code: string, status: number): Fault {
  return { kind: 'error', code, status };
}

/** Something that a key's owner does. */
function owner(name: string, arrange: (key: AwsKeyInHand['owned']) => void, expected: KmsFault): AwsFaultCase {
  return {
    name,
    arrange: (_, { owned }) => arrange(owned),
    expected,
    undo: (_, { owned }) => owned.setState('Enabled'),
  };
}

/** A key whose material is in a custom key store, and what becomes of that store. */
function storeCase(type: StoreType, condition: StoreCondition): AwsFaultCase {
  const store = ({ owned }: AwsKeyInHand) => {
    if (owned.store === undefined) throw new Error('the key is in no custom key store');
    return owned.store;
  };
  return {
    name: `a key in a custom key store (${type}) that is ${condition}`,
    open: (world) => world.openStoreKey(type),
    arrange: (_, key) => {
      store(key).condition = condition;
    },
    expected: outage,
    undo: (_, key) => {
      store(key).condition = 'connected';
    },
  };
}

const nobody = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Deny', Principal: '*', Action: 'kms:*', Resource: '*' }],
};

/** Every way to say no that the simulator has. */
export const awsFaultCases: readonly AwsFaultCase[] = [
  ...codes.map(([code, status, expected]) => failing(`${code} (${status})`, error(code, status), expected)),
  byOperation('ValidationException', data, ['unwrap']),
  byOperation('ValidationException', misconfigured, ['generate', 'wrap']),
  byOperation('InvalidKeyUsageException', data, ['unwrap']),
  byOperation('InvalidKeyUsageException', unsuitable, ['generate', 'wrap']),
  failing('stale credentials that a renewal helps', error('ExpiredTokenException', 400), 'success', 1),
  failing('throttling', { kind: 'throttle' }, throttled),
  failing(
    'throttling with Retry-After',
    { kind: 'throttle', retryAfterSeconds: 3 },
    { ...throttled, retryAfterMs: 3_000 },
  ),
  failing('a page of a proxy with 200', { kind: 'html', status: 200 }, outage),
  failing('a page of a proxy with 403', { kind: 'html', status: 403 }, outage),
  failing('a page of a proxy with 502', { kind: 'html', status: 502 }, outage),
  failing('a reset connection', { kind: 'reset' }, outage),
  failing('an answer cut in the middle', { kind: 'truncate' }, outage),
  failing('an answer that comes late', { kind: 'latency', ms: 100 }, 'success'),
  failing('an answer that comes in drops', { kind: 'trickle', msPerByte: 0 }, 'success'),
  owner('a disabled key', (key) => key.disable(), disabled),
  owner('a key that is to be deleted', (key) => key.scheduleDeletion(), pendingDeletion),
  owner('a replica key that is to be deleted', (key) => key.setState('PendingReplicaDeletion'), pendingDeletion),
  owner('a key without its imported material', (key) => key.setState('PendingImport'), invalidState),
  owner('a key that is not available', (key) => key.setState('Unavailable'), outage),
  owner('a key that is still being made', (key) => key.setState('Creating'), outage),
  storeCase('AWS_CLOUDHSM', 'disconnected'),
  storeCase('EXTERNAL_KEY_STORE', 'disconnected'),
  storeCase('EXTERNAL_KEY_STORE', 'timed-out'),
  storeCase('EXTERNAL_KEY_STORE', 'unreachable'),
  // KMS has one code for all of it and tells the reason in its text alone.
  storeCase('EXTERNAL_KEY_STORE', 'denied-by-key-manager'),
  {
    name: 'a policy that denies, although DescribeKey is denied too',
    arrange: (_, { owned }) => owned.setPolicy(nobody),
    expected: denied,
  },
  {
    name: 'a key in an invalid state that DescribeKey may not be asked about',
    arrange: (world, { owned }) => {
      meet(error('KMSInvalidStateException', 400))(world, { owned } as AwsKeyInHand);
      const fault = error('AccessDeniedException', 400);
      world.aws.faults.add({ service: 'kms', operation: 'DescribeKey', keyArn: owned.arn, fault });
    },
    expected: unclear,
  },
  { name: 'a key that is gone', arrange: (_, { owned }) => owned.remove(), expected: missing },
];

/** Every way not to say anything. */
export const awsSilences: readonly SilenceCase<AwsWorld, AwsKeyInHand>[] = [
  { name: 'a call that hangs', arrange: meet({ kind: 'hang' }) },
  { name: 'a call that is too slow', arrange: meet({ kind: 'latency', ms: 5_000 }) },
  { name: 'a half-open connection', arrange: meet({ kind: 'half-open' }) },
  { name: 'an answer that never comes to its end', arrange: meet({ kind: 'trickle', msPerByte: 50 }) },
];
