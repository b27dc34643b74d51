/**
 * The port to a customer's key. A provider implements it for one key (CMK) of one tenant; the engine knows nothing
 * else of providers. The contract suite in `test/contract` is the specification.
 *
 * Every method throws `KmsError` with a sorted fault, and nothing else. Every method ends when `signal` is aborted.
 * Retries, caching and coalescing are the engine's.
 */
import type { EncryptedDataKey } from '../base/encrypted-data-key.ts';
import type { EncryptionContext } from '../base/encryption-context.ts';
import type { SecretBytes } from '../base/secret.ts';
import type { Finding } from './finding.ts';
import type { FactsCall, KeyFacts } from './key-facts.ts';
import type { ProviderNote } from './provider-note.ts';

/** As in the tenant file. */
export type ProviderName = 'aws_kms' | 'azure_kv' | 'gcp_kms' | 'vault' | 'local';

/** What `KeyInfo` tells a caller about the key behind an answer. */
export interface KeyInfo {
  readonly provider: ProviderName;
  /** The key's full name at its provider. */
  readonly keyId: string;
  /** The version that wraps, where the provider names versions; else empty. */
  readonly keyVersion: string;
}

/** A new data key: its plaintext, which the caller of `generate` owns and disposes of, and its wrapped form. */
export interface GeneratedKey {
  readonly plaintext: SecretBytes;
  readonly entry: EncryptedDataKey;
}

/** What every call has. */
export interface KeyCall {
  readonly context: EncryptionContext;
  readonly signal: AbortSignal;
  /** Where the call leaves what its service calls the request; the last answer's where it takes several. */
  readonly note?: ProviderNote | undefined;
}

/** For a new data key of `length` bytes. */
export interface GenerateCall extends KeyCall {
  readonly length: number;
}

/** For the wrapped form of `plaintext`, which stays the caller's. */
export interface WrapCall extends KeyCall {
  readonly plaintext: SecretBytes;
}

/** About an entry that the key owns. */
export interface EntryCall extends KeyCall {
  readonly entry: EncryptedDataKey;
}

/** One key. Disposing of it lets go of connections and credentials; calls after that fail. */
export interface KeyService extends AsyncDisposable {
  readonly provider: ProviderName;
  /** The key's full name at its provider: the same for two services exactly when they stand for the same key. */
  readonly keyId: string;

  /**
   * How often its service has answered so far. Absent where every call that succeeds was answered; a key that wraps here,
   * with a public part, may succeed while its service is silent.
   */
  readonly answers?: number | undefined;

  /**
   * Tells whether this key wrapped `entry`, by comparing names alone. No string of an entry ever becomes part of a
   * request, except a key version that passed a strict pattern.
   */
  owns(entry: EncryptedDataKey): boolean;

  /** What to tell a caller about the key and version that wrapped `entry`, one that it owns. */
  describe(entry: EncryptedDataKey): KeyInfo;

  /** Makes a data key of `length` bytes and its wrapped form. */
  generate(request: GenerateCall): Promise<GeneratedKey>;

  /** Wraps `plaintext`, which stays the caller's. */
  wrap(request: WrapCall): Promise<EncryptedDataKey>;

  /** Unwraps an entry that it owns. A wrong context, where the provider binds it, and changed bytes are data faults. */
  unwrap(request: EntryCall): Promise<SecretBytes>;

  /**
   * Wraps an entry that it owns anew, under the key's newest version, while the plaintext stays with the provider.
   * Absent where the provider cannot do that for this kind of key: then it is unwrapped and wrapped.
   */
  rewrap?(request: EntryCall): Promise<EncryptedDataKey>;

  /**
   * What its owner calls it and marks it with, read now. Throws a `KmsError`, for facts that keyproxy may not read
   * `KEY_OUTSIDE_SEGREGATION` with the permission that is missing. Absent: then it fits no rule that asks for any.
   */
  facts?(call: FactsCall): Promise<KeyFacts>;

  /**
   * Looks at key and permissions beyond what a round trip tells, for `keyproxy validate`: which feature lacks which
   * permission. Absent where there is nothing to look at. Unlike the calls above it does not throw.
   */
  inspect?(request: { context: EncryptionContext; signal: AbortSignal }): Promise<Finding[]>;
}
