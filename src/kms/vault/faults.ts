/**
 * What Vault says when it does not do what it was asked, and what that means. Vault has no error codes: an answer is
 * its status and sentences, so the sentences are matched here, and a name of our own takes their place in logs.
 * Sources: the error texts of the transit engine and of `sdk/helper/keysutil` in the sources of HashiCorp Vault and
 * OpenBao; "HTTP API" and "/sys/health" in the API documentation of both.
 */
import type { KmsFault } from '../fault.ts';

/** What one answer means. */
export interface Meaning {
  /** Stands in logs for the sentence, which does not go there. */
  readonly code: string;
  readonly fault: KmsFault;
  /** The next step of whoever has to act. */
  readonly advice?: string;
}

/** `opens` is decryption in any form: what is said of bytes there is said of an entry, which anybody may have made. */
export type CallKind = 'opens' | 'wraps' | 'reads' | 'login';

interface SentenceRow extends Meaning {
  /** A part of the sentence, in lower case. */
  readonly says: string;
  /** Absent: any. */
  readonly kinds?: readonly CallKind[];
}

const unavailable: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };
const unsuitable: KmsFault = { kind: 'config', reason: 'KEY_UNSUITABLE' };
const misconfigured: KmsFault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' };
const notFound: KmsFault = { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' };
const roleDenied: KmsFault = { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true };
const data: KmsFault = { kind: 'data' };

const findKey = "check key_name, mount and namespace, and in Vault's audit log whether the key was deleted";
const wrappingTypes = 'use a key of type aes256-gcm96, or rsa-2048, rsa-3072 or rsa-4096';
const findMount = 'check mount, namespace and the mount of the login method: Vault serves nothing at this path';
const unseal = 'unseal this Vault, or name the address of a cluster with an unsealed node';

/** Sentences in the order in which they are looked for. */
export const sentenceFaults: readonly SentenceRow[] = [
  { says: 'encryption key not found', code: 'KeyNotFound', fault: notFound, advice: findKey },
  // What encrypt says where it would have to make the key, and is asked for a type that there is not.
  { says: 'unknown key type', code: 'KeyNotFound', fault: notFound, advice: findKey },
  {
    // OpenBao alone.
    says: 'soft-deleted key',
    code: 'KeySoftDeleted',
    fault: { kind: 'refusal', reason: 'KEY_PENDING_DELETION', keyWide: true },
    advice: 'restore it with keys/<name>/soft-delete-restore of its transit engine if its data is still needed',
  },
  {
    says: 'disallowed by policy (too old)',
    code: 'VersionTooOld',
    // A rule about old versions: the key's newest may be in full use, which the canary tells.
    fault: { kind: 'refusal', reason: 'KEY_STATE_INVALID', keyWide: false },
    advice: "lower the key's min_decryption_version to the version that wrapped this data key, then rewrap it",
  },
  { says: 'non-aead cipher suite', code: 'NotAead', fault: unsuitable, advice: wrappingTypes },
  {
    says: "missing 'context' for key derivation",
    code: 'KeyDerived',
    fault: unsuitable,
    advice: `${wrappingTypes}, made without derived=true`,
  },
  {
    says: 'encryption not supported for key type',
    code: 'KeyTypeUnsuitable',
    fault: unsuitable,
    advice: wrappingTypes,
  },
  {
    says: 'decryption not supported for key type',
    code: 'KeyTypeUnsuitable',
    fault: unsuitable,
    advice: wrappingTypes,
  },
  { says: 'unsupported key type', code: 'KeyTypeUnsuitable', fault: unsuitable, advice: wrappingTypes },

  { says: 'message authentication failed', code: 'AuthenticationFailed', fault: data, kinds: ['opens'] },
  { says: 'invalid ciphertext', code: 'InvalidCiphertext', fault: data, kinds: ['opens'] },
  { says: 'illegal base64 data', code: 'InvalidBase64', fault: data, kinds: ['opens'] },
  { says: 'missing ciphertext', code: 'MissingCiphertext', fault: data, kinds: ['opens'] },
  // Said with status 500, although it is the ciphertext that does not fit the key.
  { says: 'failed to rsa decrypt', code: 'RsaDecryptFailed', fault: data, kinds: ['opens'] },
  { says: 'no such key version', code: 'NoSuchVersion', fault: data, kinds: ['opens'] },

  {
    says: 'invalid role or secret id',
    code: 'SecretIdRefused',
    fault: roleDenied,
    advice: 'the secret id may be used up, expired or revoked: put a new one in secret_id_file; or role_id is wrong',
    kinds: ['login'],
  },
  {
    // Said of a token that is no good, and as well where Vault could not ask the cluster about it (`path_login.go` of the
    // Kubernetes method), or has locked a role id for a while: what is certainly a no comes in other words.
    says: 'permission denied',
    code: 'LoginDenied',
    fault: { kind: 'ambiguous', reason: 'ROLE_DENIED' },
    advice:
      "check in Vault's log why the login failed: nothing may be mounted where auth says, the cluster may not answer " +
      'Vault or not know the token, or the role may be locked for a while',
    kinds: ['login'],
  },
  { says: 'no handler for route', code: 'NoSuchPath', fault: misconfigured, advice: findMount },
  { says: 'unsupported path', code: 'NoSuchPath', fault: misconfigured, advice: findMount },
  { says: 'quota exceeded', code: 'QuotaExceeded', fault: throttled },
  { says: 'not yet initialized', code: 'NotInitialized', fault: unavailable, advice: 'initialise this Vault' },
  { says: 'vault is sealed', code: 'Sealed', fault: unavailable, advice: unseal },
  { says: 'is sealed', code: 'Sealed', fault: unavailable, advice: unseal },
  { says: 'active cluster node not found', code: 'NoActiveNode', fault: unavailable },
];

const standby: Meaning = {
  code: 'Standby',
  fault: unavailable,
  advice:
    'let address name the active node or a load balancer in front of it: this standby sends requests elsewhere, and keyproxy follows no redirect',
};

const loginRefused: Meaning = {
  code: 'LoginRefused',
  fault: roleDenied,
  advice: "check the role of the login method in Vault, what it demands of the caller, and keyproxy's own identity",
};

/** Status → meaning, where no sentence told it. */
export const statusFaults: Readonly<Record<number, Meaning>> = {
  301: standby,
  302: standby,
  303: standby,
  307: standby,
  308: standby,
  404: { code: 'HTTP 404', fault: misconfigured, advice: findMount },
  405: { code: 'HTTP 405', fault: misconfigured, advice: 'check that mount names a transit engine' },
  412: { code: 'NotYetConsistent', fault: unavailable },
  429: { code: 'HTTP 429', fault: throttled },
  472: { code: 'DrSecondary', fault: unavailable, advice: 'let address name the primary cluster' },
  473: standby,
  501: { code: 'NotInitialized', fault: unavailable, advice: 'initialise this Vault' },
  503: { code: 'SealedOrMaintenance', fault: unavailable, advice: unseal },
};

/**
 * The policy's no, once the token is known to be valid. For decryption it is key-wide: a path of a policy names the
 * key and no entry, and no unwrap gets past it. A no to wrapping leaves the question of unwrapping to the canary.
 */
export function deniedBy(kind: CallKind): Meaning {
  return {
    code: 'PermissionDenied',
    fault: { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: kind === 'opens' },
    advice: "give the policy of keyproxy's role the capability update on encrypt/, decrypt/ and rewrap/ of this key",
  };
}

/** Sorts the sentences and the status of an answer that was Vault's own. A 403 is for the caller to look into. */
export function meaningOf(kind: CallKind, status: number, sentences: readonly string[]): Meaning {
  const row = sentenceRow(kind, sentences);
  if (row !== undefined) return row;
  if (kind === 'login' && (status === 400 || status === 403)) return loginRefused;
  const known = statusFaults[status];
  if (known !== undefined) return known;
  const fault: KmsFault = status >= 500 ? unavailable : { kind: 'ambiguous', reason: 'KEY_SERVICE_UNAVAILABLE' };
  return { code: `HTTP ${status}`, fault };
}

/** Sorts what one item of a batch failed with, by its sentence alone: the status is that of the whole batch. */
export function meaningOfItem(kind: CallKind, sentence: string): Meaning {
  const unknown: KmsFault = { kind: 'ambiguous', reason: 'KEY_SERVICE_UNAVAILABLE' };
  return sentenceRow(kind, [sentence]) ?? { code: 'ItemFailed', fault: unknown };
}

function sentenceRow(kind: CallKind, sentences: readonly string[]): SentenceRow | undefined {
  const said = sentences.join('\n').toLowerCase();
  return sentenceFaults.find(({ says, kinds }) => said.includes(says) && (kinds?.includes(kind) ?? true));
}
