/**
 * What the Google Cloud simulator can be made to do to a call, and what each has to end with: written down a second
 * time, beside the provider's own tables, from Google's references of codes, reasons, states and EKM errors.
 */
import type { KmsFault } from '../../src/kms/fault.ts';
import type { EkmErrorDomain } from '../simulators/gcp/ekm.ts';
import type { GcpFault } from '../simulators/gcp/faults.ts';
import type { VersionState } from '../simulators/gcp/keys.ts';
import type { ErrorDetail } from '../simulators/gcp/status.ts';
import type { KeyOperation } from './calls.ts';
import { type GcpKeyInHand, type GcpWorld, honestMs } from './gcp-world.ts';
import type { FaultCase, SilenceCase } from './key-service.contract.ts';

const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };
const denied: KmsFault = { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false };
const deniedForAll: KmsFault = { ...denied, keyWide: true };
const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const pendingDeletion: KmsFault = { kind: 'refusal', reason: 'KEY_PENDING_DELETION', keyWide: true };
const invalidState: KmsFault = { kind: 'refusal', reason: 'KEY_STATE_INVALID', keyWide: true };
const unclear: KmsFault = { kind: 'ambiguous', reason: 'KEY_STATE_INVALID' };
const inTrouble: KmsFault = { kind: 'ambiguous', reason: 'KEY_SERVICE_UNAVAILABLE' };
const missing: KmsFault = { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' };
const misconfigured: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };
const stale: KmsFault = { kind: 'credentials' };
const data: KmsFault = { kind: 'data' };

export type GcpFaultCase = FaultCase<GcpWorld, GcpKeyInHand>;

const making: readonly KeyOperation[] = ['generate', 'wrap'];
const opening: readonly KeyOperation[] = ['unwrap'];

/** gRPC code → what it means when a key is made, and when one is opened. */
const codes: Readonly<Record<string, readonly [making: KmsFault, opening: KmsFault]>> = {
  CANCELLED: [outage, outage],
  UNKNOWN: [outage, outage],
  INVALID_ARGUMENT: [misconfigured, data],
  DEADLINE_EXCEEDED: [outage, outage],
  NOT_FOUND: [missing, missing],
  ALREADY_EXISTS: [inTrouble, inTrouble],
  PERMISSION_DENIED: [denied, deniedForAll],
  RESOURCE_EXHAUSTED: [throttled, throttled],
  // The version is enabled, as GetCryptoKeyVersion says: it was not that.
  FAILED_PRECONDITION: [inTrouble, inTrouble],
  ABORTED: [outage, outage],
  OUT_OF_RANGE: [misconfigured, misconfigured],
  UNIMPLEMENTED: [misconfigured, misconfigured],
  INTERNAL: [outage, outage],
  UNAVAILABLE: [outage, outage],
  DATA_LOSS: [outage, outage],
  UNAUTHENTICATED: [stale, stale],
};

/** Reason of an ErrorInfo → what it means. */
const reasons: Readonly<Record<string, readonly [making: KmsFault, opening: KmsFault]>> = {
  SERVICE_DISABLED: [misconfigured, misconfigured],
  CONSUMER_INVALID: [misconfigured, misconfigured],
  CONSUMER_SUSPENDED: [misconfigured, misconfigured],
  BILLING_DISABLED: [misconfigured, misconfigured],
  USER_PROJECT_DENIED: [misconfigured, misconfigured],
  LOCATION_POLICY_VIOLATED: [misconfigured, misconfigured],
  ACCESS_TOKEN_SCOPE_INSUFFICIENT: [misconfigured, misconfigured],
  SECURITY_POLICY_VIOLATED: [denied, deniedForAll],
  RATE_LIMIT_EXCEEDED: [throttled, throttled],
  RESOURCE_QUOTA_EXCEEDED: [throttled, throttled],
};

/** Error domain of an external key manager → what it means. */
const ekmDomains: Readonly<Record<Exclude<EkmErrorDomain, 'DECRYPTION_FAILED'>, KmsFault>> = {
  EXTERNAL_PERMISSION_DENIED: deniedForAll,
  EXTERNAL_NOT_FOUND: missing,
  EXTERNAL_KEY_URI_INVALID: misconfigured,
  EXTERNAL_KEY_HOST_NOT_WHITELISTED: misconfigured,
  EXTERNAL_NOT_IMPLEMENTED: misconfigured,
  EXTERNAL_RESOURCE_EXHAUSTED: throttled,
  OVERLOADED_EKM: throttled,
  DNS: outage,
  UNREACHABLE_NETWORK: outage,
  TIMEOUT: outage,
  REQUEST_CANCELLED: outage,
  TLS_CERT: outage,
  UNEXPECTED_RESPONSE: outage,
  EXTERNAL_SERVER_ERROR: outage,
  UNEXPECTED_ERROR: outage,
};

/** State of a version → what it means. */
const states: Readonly<Record<Exclude<VersionState, 'ENABLED'>, KmsFault>> = {
  DISABLED: disabled,
  DESTROY_SCHEDULED: pendingDeletion,
  DESTROYED: pendingDeletion,
  PENDING_EXTERNAL_DESTRUCTION: pendingDeletion,
  EXTERNAL_DESTRUCTION_FAILED: pendingDeletion,
  PENDING_GENERATION: invalidState,
  PENDING_IMPORT: invalidState,
  IMPORT_FAILED: invalidState,
  GENERATION_FAILED: invalidState,
};

/** What the cases below go through, by table. */
export const covered = {
  codes: new Set(Object.keys(codes)),
  reasons: new Set(Object.keys(reasons)),
  ekmDomains: new Set(Object.keys(ekmDomains)),
  states: new Set([...Object.keys(states), 'ENABLED']),
};

/** Meets calls to one key, `times` of them, or as many as there are. */
function meet(fault: GcpFault, times?: number) {
  return ({ gcp }: GcpWorld, { owned }: GcpKeyInHand) => {
    const rule = { service: 'kms' as const, key: owned.name, fault, ...(times !== undefined && { times }) };
    for (const operation of ['Encrypt', 'Decrypt', 'AsymmetricDecrypt']) gcp.faults.add({ ...rule, operation });
  };
}

function failing(name: string, fault: GcpFault, expected: KmsFault | 'success', times?: number): GcpFaultCase {
  return { name, arrange: meet(fault, times), expected };
}

function error(code: string, details: readonly ErrorDetail[] = []): GcpFault {
  // On gRPC the status is not looked at.
  return { kind: 'error', code, status: 0, details };
}

/** One case, or one for each side where they differ. */
function bothWays(name: string, fault: GcpFault, [a, b]: readonly [KmsFault, KmsFault]): GcpFaultCase[] {
  if (a === b) return [failing(name, fault, a)];
  return [
    { ...failing(name, fault, a), operations: making },
    { ...failing(name, fault, b), operations: opening },
  ];
}

function info(reason: string): ErrorDetail {
  return { type: 'ErrorInfo', reason, domain: 'googleapis.com' };
}

/** A state of a version that the error's details tell, and one that only the version itself does. */
function stateCases(state: VersionState, expected: KmsFault): GcpFaultCase[] {
  const undo = (_: GcpWorld, { owned }: GcpKeyInHand) => owned.setState('ENABLED');
  const set = (_: GcpWorld, { owned }: GcpKeyInHand) => owned.setState(state);
  const bare = meet(error('FAILED_PRECONDITION'));
  return [
    { name: `a version that is ${state}`, arrange: set, expected, undo },
    {
      name: `a version that is ${state}, although its state may not be read`,
      arrange: (world, key) => {
        world.gcp.revoke(world.account.email, key.owned.name, 'roles/cloudkms.viewer');
        set(world, key);
      },
      expected,
      undo,
    },
    {
      name: `a version that is ${state}, which the error does not tell`,
      arrange: (world, key) => {
        set(world, key);
        bare(world, key);
      },
      expected,
    },
  ];
}

function ekmCase(domain: EkmErrorDomain, expected: KmsFault): GcpFaultCase {
  return {
    name: `an external key manager's ${domain}`,
    open: (world) => world.openKey({ kind: 'EXTERNAL_SYMMETRIC' }),
    arrange: (_, { owned }) => owned.setEkm(domain),
    expected,
    undo: (_, { owned }) => {
      owned.setEkm(undefined);
      owned.enable();
    },
  };
}

/** Takes a role or permission away, and gives it back. */
function denial(permission: string, expected: KmsFault, operations: readonly KeyOperation[]): GcpFaultCase {
  return {
    name: `a missing permission ${permission}`,
    operations,
    arrange: ({ gcp, account }, { owned }) => gcp.revoke(account.email, owned.name, permission),
    expected,
    undo: ({ gcp, account }, { owned }) => gcp.grant(account.email, owned.name, permission),
  };
}

const htmlStatuses = [200, 401, 403, 404, 429, 502];

/** Every way to say no that the simulator has. */
export const gcpFaultCases: readonly GcpFaultCase[] = [
  ...Object.entries(codes).flatMap(([code, expected]) => bothWays(code, error(code), expected)),
  ...Object.entries(reasons).flatMap(([reason, expected]) =>
    bothWays(reason, error('PERMISSION_DENIED', [info(reason)]), expected),
  ),
  ...Object.entries(ekmDomains).map(([domain, expected]) => ekmCase(domain as EkmErrorDomain, expected)),
  { ...ekmCase('DECRYPTION_FAILED', data), operations: opening },
  ...Object.entries(states).flatMap(([state, expected]) => stateCases(state as VersionState, expected)),
  denial('cloudkms.cryptoKeyVersions.useToEncrypt', denied, making),
  denial('cloudkms.cryptoKeyVersions.useToDecrypt', deniedForAll, opening),
  failing('a stale token that a renewal helps', error('UNAUTHENTICATED'), 'success', 1),
  failing('throttling', { kind: 'throttle' }, throttled),
  failing(
    'throttling with RetryInfo',
    { kind: 'throttle', retryAfterSeconds: 3 },
    { ...throttled, retryAfterMs: 3_000 },
  ),
  ...htmlStatuses.map((status) => failing(`a page of a proxy with ${status}`, { kind: 'html', status }, outage)),
  failing('a reset connection', { kind: 'reset' }, outage),
  failing('an answer cut in the middle', { kind: 'truncate' }, outage),
  failing('an answer that comes late', { kind: 'latency', ms: 100 }, 'success'),
  failing('an answer that comes in drops', { kind: 'trickle', msPerByte: 0 }, 'success'),
  {
    name: 'a failed precondition of a version whose state may not be read',
    arrange: (world, key) => {
      world.gcp.revoke(world.account.email, key.owned.name, 'roles/cloudkms.viewer');
      meet(error('FAILED_PRECONDITION'))(world, key);
    },
    expected: unclear,
  },
  {
    name: 'a key that is gone',
    arrange: ({ gcp, account }, { owned }) => {
      owned.remove();
      // What is granted on a key goes with it, and who may not use it does not learn that it is gone.
      gcp.grant(account.email, owned.name, 'roles/cloudkms.cryptoKeyEncrypterDecrypter');
    },
    expected: missing,
  },
];

/** An RSA key wraps by itself, so what happens to its unwraps has to show when the proof is due. */
function onRsa(fault: GcpFaultCase): GcpFaultCase {
  return {
    ...fault,
    name: `${fault.name} (RSA)`,
    open: (world) => world.openKey({ kind: 'RSA_2048', proofMs: 0, timeoutMs: honestMs }),
  };
}

/** What an RSA key's calls end with, on all three operations: each of them has Google unwrap something. */
export const rsaFaultCases: readonly GcpFaultCase[] = [
  failing('UNAVAILABLE', error('UNAVAILABLE'), outage, 1),
  failing('PERMISSION_DENIED', error('PERMISSION_DENIED'), deniedForAll, 1),
  failing('RESOURCE_EXHAUSTED', error('RESOURCE_EXHAUSTED'), throttled, 1),
  failing('UNAUTHENTICATED', error('UNAUTHENTICATED'), stale, 2),
  failing('NOT_FOUND', error('NOT_FOUND'), missing, 1),
  failing('a page of a proxy with 403', { kind: 'html', status: 403 }, outage, 1),
  failing('a reset connection', { kind: 'reset' }, outage, 1),
  {
    name: 'a version that is disabled',
    arrange: (_: GcpWorld, { owned }: GcpKeyInHand) => owned.disable(),
    expected: disabled,
    undo: (_: GcpWorld, { owned }: GcpKeyInHand) => owned.enable(),
  },
  {
    name: 'a version that is to be destroyed',
    operations: opening,
    arrange: (_: GcpWorld, { owned }: GcpKeyInHand) => owned.setState('DESTROY_SCHEDULED'),
    expected: pendingDeletion,
    undo: (_: GcpWorld, { owned }: GcpKeyInHand) => owned.setState('ENABLED'),
  },
  denial('cloudkms.cryptoKeyVersions.useToDecrypt', deniedForAll, ['generate', 'wrap', 'unwrap']),
].map(onRsa);

/** Every way not to say anything. */
export const gcpSilences: readonly SilenceCase<GcpWorld, GcpKeyInHand>[] = [
  { name: 'a call that hangs', arrange: meet({ kind: 'hang' }) },
  { name: 'a call that is too slow', arrange: meet({ kind: 'latency', ms: 5_000 }) },
  { name: 'a half-open connection', arrange: meet({ kind: 'half-open' }) },
  { name: 'an answer that never comes to its end', arrange: meet({ kind: 'trickle', msPerByte: 50 }) },
];
