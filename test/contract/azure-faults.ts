/**
 * What the Azure simulator can be made to do to a call, and what each has to end with: written down a second time,
 * beside the provider's own tables, from the error references of Key Vault.
 */
import type { KmsFault } from '../../src/kms/fault.ts';
import type { Fault } from '../simulators/http/fault.ts';
import { type AzureKeyInHand, type AzureWorld, seedPermissions } from './azure-world.ts';
import type { KeyOperation } from './calls.ts';
import type { FaultCase, SilenceCase } from './key-service.contract.ts';

const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };
const denied: KmsFault = { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: true };
const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const invalidState: KmsFault = { kind: 'refusal', reason: 'KEY_STATE_INVALID', keyWide: true };
const pendingDeletion: KmsFault = { kind: 'refusal', reason: 'KEY_PENDING_DELETION', keyWide: true };
const network: KmsFault = { kind: 'ambiguous', reason: 'KEY_ACCESS_DENIED' };
const inTrouble: KmsFault = { kind: 'ambiguous', reason: 'KEY_SERVICE_UNAVAILABLE' };
const missing: KmsFault = { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' };
const misconfigured: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };
const unsuitable: KmsFault = { kind: 'config', reason: 'KEY_UNSUITABLE' };
const stale: KmsFault = { kind: 'credentials' };
const data: KmsFault = { kind: 'data' };

/** The same refusal, of this one request. */
const ofOneRequest = (fault: KmsFault): KmsFault => (fault.kind === 'refusal' ? { ...fault, keyWide: false } : fault);

type AzureFaultCase = FaultCase<AzureWorld, AzureKeyInHand>;

/** What a call of the port asks the vault. */
type VaultOperation = 'unwrapKey' | 'getKey' | 'wrapKey';

/** Every error code with its status, and what it has to mean when an unwrap meets it. */
const codes: readonly [code: string, status: number, expected: KmsFault][] = [
  ['Unauthorized', 401, stale],
  ['Forbidden', 403, denied],
  ['Forbidden/ForbiddenByRbac', 403, denied],
  ['Forbidden/ForbiddenByPolicy', 403, denied],
  ['Forbidden/AccessDenied', 403, denied],
  ['Forbidden/ForbiddenByFirewall', 403, network],
  ['Forbidden/ForbiddenByConnection', 403, network],
  ['Forbidden/KeyDisabled', 403, disabled],
  ['Forbidden/KeyNotYetValid', 403, invalidState],
  ['Forbidden/KeyExpired', 403, invalidState],
  ['Forbidden/KeyOperationForbidden', 403, unsuitable],
  ['KeyOperationNotPermitted', 400, unsuitable],
  ['NotSupported', 400, unsuitable],
  ['Conflict/ObjectIsDeletedButRecoverable', 409, pendingDeletion],
  ['Conflict/ObjectIsBeingDeleted', 409, pendingDeletion],
  ['Conflict', 409, outage],
  ['Throttled', 429, throttled],
  ['Throttled/VaultRequestTypeLimitReached', 429, throttled],
  ['TooManyRequests', 429, throttled],
  ['InternalServerError', 500, outage],
  ['InternalError', 500, outage],
  ['ServiceUnavailable', 503, outage],
  ['SomethingNew', 400, inTrouble],
  ['SomethingNew/SomethingNewer', 403, { kind: 'ambiguous', reason: 'KEY_ACCESS_DENIED' }],
  ['Forbidden/SomethingNewer', 403, { kind: 'ambiguous', reason: 'KEY_ACCESS_DENIED' }],
  ['SomethingNew', 500, outage],
];

/** Codes that tell of the entry where one is opened. */
const codesOfData: readonly [code: string, status: number][] = [
  ['BadParameter', 400],
  ['KeyNotFound', 404],
];

/** The codes that the cases below go through on every operation. */
export const coveredCodes: ReadonlySet<string> = new Set(
  [...codes, ...codesOfData].flatMap(([code]) => code.split('/')),
);

/** Meets calls about one key, `times` of them, or as many as there are. */
function meet(fault: Fault, operation: VaultOperation = 'unwrapKey', times?: number) {
  return ({ azure }: AzureWorld, { owned }: AzureKeyInHand) => {
    const rule = { service: 'vault', operation, key: owned.name, fault } as const;
    azure.faults.add({ ...rule, ...(times !== undefined && { times }) });
  };
}

function error(code: string, status: number): Fault {
  return { kind: 'error', code, status };
}

function failing(name: string, fault: Fault, expected: KmsFault | 'success', times?: number): AzureFaultCase {
  return { name, arrange: meet(fault, 'unwrapKey', times), expected };
}

/** A code that means something else on some calls of the port. */
function byOperation(
  [code, status]: readonly [string, number],
  expected: KmsFault,
  operations: readonly KeyOperation[],
): AzureFaultCase {
  return { ...failing(`${code} (${status})`, error(code, status), expected), operations };
}

/** The calls that read the key first, or have it wrap at its service, and what a code means there. */
function elsewhere(operation: 'getKey' | 'wrapKey'): AzureFaultCase[] {
  const meanings: typeof codes = [
    ...codes.map(([code, status, expected]): (typeof codes)[number] => [
      code,
      status,
      expected === denied || (operation === 'wrapKey' && expected.kind === 'refusal' && expected !== pendingDeletion)
        ? ofOneRequest(expected)
        : expected,
    ]),
    ['BadParameter', 400, operation === 'wrapKey' ? unsuitable : misconfigured],
    ['KeyNotFound', 404, missing],
  ];
  return meanings.map(([code, status, expected]) => ({
    name: `${code} (${status}) of ${operation}`,
    operations: ['generate', 'wrap'],
    arrange: meet(error(code, status), operation),
    expected,
    ...(operation === 'wrapKey' && { open: (world) => world.openKey({ kind: 'OCT_HSM' }) }),
  }));
}

type Owned = AzureKeyInHand['owned'];

/** Something that a key's owner does, and takes back. */
function owner(
  name: string,
  [arrange, undo]: readonly [arrange: (key: Owned) => void, undo: (key: Owned) => void],
  expected: KmsFault,
): AzureFaultCase {
  return { name, arrange: (_, { owned }) => arrange(owned), expected, undo: (_, { owned }) => undo(owned) };
}

function permissions(name: string, granted: readonly ('get' | 'unwrapKey')[], expected: KmsFault): AzureFaultCase {
  return {
    name,
    arrange: ({ azure, application }, { owned }) => azure.grant(application.objectId, owned.name, granted),
    expected,
    undo: ({ azure, application }, { owned }) => azure.grant(application.objectId, owned.name, seedPermissions),
  };
}

const making: readonly KeyOperation[] = ['generate', 'wrap'];
const day = 86_400_000;

/** Every way to say no that the simulator has. */
export const azureFaultCases: readonly AzureFaultCase[] = [
  ...codes.map(([code, status, expected]) => failing(`${code} (${status})`, error(code, status), expected)),
  ...elsewhere('getKey'),
  ...elsewhere('wrapKey'),
  byOperation(['BadParameter', 400], data, ['unwrap']),
  byOperation(['BadParameter', 400], misconfigured, making),
  // The key is there, so it is the entry that names no version of it.
  byOperation(['KeyNotFound', 404], data, ['unwrap']),
  byOperation(['KeyNotFound', 404], missing, making),
  failing('a stale token that a renewal helps', error('Unauthorized', 401), 'success', 1),
  failing('throttling', { kind: 'throttle' }, throttled),
  failing(
    'throttling with Retry-After',
    { kind: 'throttle', retryAfterSeconds: 3 },
    { ...throttled, retryAfterMs: 3_000 },
  ),
  failing('a page of a proxy with 200', { kind: 'html', status: 200 }, outage),
  failing('a page of a proxy with 401', { kind: 'html', status: 401 }, outage),
  failing('a page of a proxy with 403', { kind: 'html', status: 403 }, outage),
  failing('a page of a proxy with 404', { kind: 'html', status: 404 }, outage),
  failing('a page of a proxy with 502', { kind: 'html', status: 502 }, outage),
  failing('a reset connection', { kind: 'reset' }, outage),
  failing('an answer cut in the middle', { kind: 'truncate' }, outage),
  failing('an answer that comes late', { kind: 'latency', ms: 100 }, 'success'),
  failing('an answer that comes in drops', { kind: 'trickle', msPerByte: 0 }, 'success'),
  {
    ...owner('a disabled key', [(key) => key.setEnabled(false), (key) => key.setEnabled(true)], disabled),
    operations: ['unwrap'],
  },
  {
    ...owner('a disabled key', [(key) => key.setEnabled(false), (key) => key.setEnabled(true)], {
      ...disabled,
      keyWide: false,
    }),
    operations: ['generate', 'wrap'],
  },
  owner('a deleted key', [(key) => key.delete(), (key) => key.recover()], pendingDeletion),
  {
    ...owner(
      'an expired key',
      [(key) => key.setTimes({ exp: Date.now() - day }), (key) => key.setTimes({})],
      ofOneRequest(invalidState),
    ),
    operations: making,
  },
  {
    ...owner(
      'a key that is not valid yet',
      [(key) => key.setTimes({ nbf: Date.now() + day }), (key) => key.setTimes({})],
      ofOneRequest(invalidState),
    ),
    operations: making,
  },
  // Without `get` nobody can wrap; whether anybody can unwrap is not known by that.
  { ...permissions('an identity without any permission', [], ofOneRequest(denied)), operations: making },
  { ...permissions('an identity without any permission', [], denied), operations: ['unwrap'] },
  permissions('an identity without the permission to unwrap', ['get'], denied),
  {
    name: 'a closed firewall',
    arrange: ({ azure }) => azure.setFirewall('closed'),
    expected: network,
    undo: ({ azure }) => azure.setFirewall('open'),
  },
  { name: 'a key that is gone', arrange: (_, { owned }) => owned.purge(), expected: missing, open: own },
];

/** A key that no later test gets. */
async function own(world: AzureWorld): Promise<AzureKeyInHand> {
  const owned = world.create();
  const service = world.open(owned);
  return { service, owned, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
}

/** Every way not to say anything. */
export const azureSilences: readonly SilenceCase<AzureWorld, AzureKeyInHand>[] = [
  { name: 'a call that hangs', arrange: meet({ kind: 'hang' }) },
  { name: 'a call that is too slow', arrange: meet({ kind: 'latency', ms: 5_000 }) },
  { name: 'a half-open connection', arrange: meet({ kind: 'half-open' }) },
  { name: 'an answer that never comes to its end', arrange: meet({ kind: 'trickle', msPerByte: 50 }) },
];
