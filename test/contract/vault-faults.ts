/**
 * What the Vault simulator can be made to do to a call, and what each has to end with: written down a second time,
 * beside the provider's own table, from the API documentation and the sources of Vault and OpenBao.
 */
import type { KmsFault } from '../../src/kms/fault.ts';
import type { Fault } from '../simulators/http/fault.ts';
import type { KeyOperation } from './calls.ts';
import type { FaultCase, SilenceCase } from './key-service.contract.ts';
import { allowing, type VaultKeyInHand, type VaultWorld } from './vault-world.ts';

const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };
const deniedUnwrap: KmsFault = { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: true };
const deniedWrap: KmsFault = { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false };
const tooOld: KmsFault = { kind: 'refusal', reason: 'KEY_STATE_INVALID', keyWide: false };
const deleting: KmsFault = { kind: 'refusal', reason: 'KEY_PENDING_DELETION', keyWide: true };
const unclear: KmsFault = { kind: 'ambiguous', reason: 'KEY_SERVICE_UNAVAILABLE' };
const unclearDenial: KmsFault = { kind: 'ambiguous', reason: 'KEY_ACCESS_DENIED' };
const missing: KmsFault = { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' };
const misconfigured: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };
const unsuitable: KmsFault = { kind: 'config', reason: 'KEY_UNSUITABLE' };
const data: KmsFault = { kind: 'data' };

type VaultFaultCase = FaultCase<VaultWorld, VaultKeyInHand>;

const making: readonly KeyOperation[] = ['generate', 'wrap'];
const opening: readonly KeyOperation[] = ['unwrap'];

/** What Vault says, with its status, and what it has to mean. */
const sentences: readonly [
  message: string,
  status: number,
  expected: KmsFault,
  operations?: readonly KeyOperation[],
][] = [
  ['encryption key not found', 400, missing],
  ['unknown key type none', 400, missing, making],
  ['refusing to use soft-deleted key', 400, deleting],
  ['ciphertext or signature version is disallowed by policy (too old)', 400, tooOld],
  ["missing 'context' for key derivation; the key was created using a derived key", 400, unsuitable],
  ['message encryption not supported for key type ed25519', 400, unsuitable],
  ['message decryption not supported for key type ed25519', 400, unsuitable],
  ['unsupported key type hmac', 500, unsuitable],
  ['cipher: message authentication failed', 400, data, opening],
  ['chacha20poly1305: message authentication failed', 400, data, opening],
  ['invalid ciphertext: no prefix', 400, data, opening],
  ['invalid ciphertext: version is too new', 400, data, opening],
  ['invalid ciphertext length', 400, data, opening],
  ['illegal base64 data at input byte 4', 400, data, opening],
  ['missing ciphertext to decrypt', 400, data, opening],
  ['1 error occurred:\n\t* failed to RSA decrypt the ciphertext: crypto/rsa: decryption error\n\n', 500, data, opening],
  ['no such key version', 400, data, opening],
  ['no handler for route "transit/encrypt/orders". route entry not found.', 404, misconfigured],
  ['1 error occurred:\n\t* unsupported path\n\n', 404, misconfigured],
  ['1 error occurred:\n\t* unsupported operation\n\n', 405, misconfigured],
  ['request path "transit/encrypt/orders": rate limit quota exceeded', 429, throttled],
  ['request path "transit/encrypt/orders": lease count quota exceeded', 429, throttled],
  ['server is not yet initialized', 400, outage],
  ['Vault is sealed', 503, outage],
  ['OpenBao is sealed', 503, outage],
  ['local node not active but active cluster node not found', 500, outage],
  ['a sentence that no version said so far', 400, unclear],
  ['a sentence that no version said so far', 500, outage],
];

/** Statuses without a sentence. */
const statuses: readonly [status: number, expected: KmsFault][] = [
  [301, outage],
  [302, outage],
  [303, outage],
  [307, outage],
  [308, outage],
  [400, unclear],
  [404, misconfigured],
  [405, misconfigured],
  [412, outage],
  [429, throttled],
  [472, outage],
  [473, outage],
  [500, outage],
  [501, outage],
  [502, outage],
  [503, outage],
  [504, outage],
];

/** What the cases below go through, to be compared with the provider's table. */
export const coveredSentences: readonly string[] = sentences.map(([message]) => message.toLowerCase());
export const coveredStatuses: readonly number[] = statuses.map(([status]) => status);

/** Meets calls to one key, `times` of them, or as many as there are. */
function meet(fault: Fault, times?: number) {
  return ({ vault }: VaultWorld, { owned }: VaultKeyInHand) => {
    for (const operation of ['encrypt', 'decrypt', 'rewrap', 'datakey']) {
      vault.faults.add({ operation, key: owned.name, fault, ...(times !== undefined && { times }) });
    }
  };
}

function failing(name: string, fault: Fault, expected: KmsFault | 'success', times?: number): VaultFaultCase {
  return { name, arrange: meet(fault, times), expected };
}

function says(message: string, status: number): Fault {
  return { kind: 'error', code: '', status, message };
}

/** A case in which a request other than the key's own ends in some way too, while the call is denied. */
function deniedWhile(name: string, operation: string, fault: Fault, expected: KmsFault): VaultFaultCase {
  return {
    name,
    arrange: (world, key) => {
      meet(says('1 error occurred:\n\t* permission denied\n\n', 403))(world, key);
      world.vault.faults.add({ operation, fault });
    },
    expected,
    undo: ({ vault }) => vault.faults.clear(),
  };
}

/** Something that happens to the whole server, and is taken back. */
function server(
  name: string,
  expected: KmsFault,
  [arrange, undo]: readonly [(world: VaultWorld) => void, (world: VaultWorld) => void],
): VaultFaultCase {
  return { name, arrange, expected, undo };
}

const proofOfLife = "a policy that denies, which the token's being alive proves";

/** Every way to say no that the simulator has. */
export const vaultFaultCases: readonly VaultFaultCase[] = [
  ...sentences.map(
    ([message, status, expected, operations]): VaultFaultCase => ({
      ...failing(`"${message}" (${status})`, says(message, status), expected),
      ...(operations !== undefined && { operations }),
    }),
  ),
  ...statuses.map(([status, expected]) => failing(`a bare ${status}`, says('', status), expected)),
  { ...failing('bytes that are said to be damaged', says('invalid ciphertext', 400), unclear), operations: making },
  failing('throttling', { kind: 'throttle' }, throttled),
  failing(
    'throttling with Retry-After',
    { kind: 'throttle', retryAfterSeconds: 3 },
    { ...throttled, retryAfterMs: 3_000 },
  ),
  failing('a page of a proxy with 200', { kind: 'html', status: 200 }, outage),
  failing('a page of a proxy with 400', { kind: 'html', status: 400 }, outage),
  failing('a page of a proxy with 403', { kind: 'html', status: 403 }, outage),
  failing('a page of a proxy with 404', { kind: 'html', status: 404 }, outage),
  failing('a page of a proxy with 429', { kind: 'html', status: 429 }, throttled),
  failing('a page of a proxy with 502', { kind: 'html', status: 502 }, outage),
  failing('a reset connection', { kind: 'reset' }, outage),
  failing('an answer cut in the middle', { kind: 'truncate' }, outage),
  failing('an answer that comes late', { kind: 'latency', ms: 100 }, 'success'),
  failing('an answer that comes in drops', { kind: 'trickle', msPerByte: 0 }, 'success'),
  failing(
    'one denial by a dead token',
    says('2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n', 403),
    'success',
    1,
  ),
  {
    name: 'tokens that Vault has revoked',
    arrange: ({ vault }) => vault.revokeTokens(),
    expected: 'success',
  },
  deniedWhile('a denial while nobody says whether the token lives', 'lookup-self', { kind: 'reset' }, unclearDenial),
  {
    name: proofOfLife,
    operations: opening,
    arrange: (_, key) => key.setPolicy({}),
    expected: deniedUnwrap,
    undo: (_, key) => key.setPolicy(allowing(key.owned)),
  },
  {
    name: proofOfLife,
    operations: making,
    arrange: (_, key) => key.setPolicy({}),
    expected: deniedWrap,
    undo: (_, key) => key.setPolicy(allowing(key.owned)),
  },
  { name: 'a key that is gone', arrange: (_, { owned }) => owned.delete(), expected: missing },
  server('a sealed node', outage, [({ vault }) => vault.seal(), ({ vault }) => vault.unseal()]),
  server('a node that is not initialised', outage, [
    ({ vault }) => vault.setInitialized(false),
    ({ vault }) => vault.setInitialized(true),
  ]),
  server('a standby that sends elsewhere', outage, [
    ({ vault }) => vault.setStandby('redirecting'),
    ({ vault }) => vault.setStandby('no'),
  ]),
  {
    name: 'a standby that forwards',
    arrange: ({ vault }) => vault.setStandby('forwarding'),
    expected: 'success',
    undo: ({ vault }) => vault.setStandby('no'),
  },
];

/** Every way not to say anything. */
export const vaultSilences: readonly SilenceCase<VaultWorld, VaultKeyInHand>[] = [
  { name: 'a call that hangs', arrange: meet({ kind: 'hang' }) },
  { name: 'a call that is too slow', arrange: meet({ kind: 'latency', ms: 5_000 }) },
  { name: 'a half-open connection', arrange: meet({ kind: 'half-open' }) },
  { name: 'an answer that never comes to its end', arrange: meet({ kind: 'trickle', msPerByte: 50 }) },
];
