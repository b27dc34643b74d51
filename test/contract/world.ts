/** What a key service and its keys look like to the contract, wherever they run. */
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import type { KeyService } from '../../src/kms/key-service.ts';

/** A key that exists in the environment, opened. */
export interface OpenedKey extends AsyncDisposable {
  readonly service: KeyService;
  /** An entry that bears the key's name, for a service that is in no state to make one. */
  readonly ownEntry?: EncryptedDataKey;
}

export interface OpenOptions {
  /** One of the harness's kinds; its first where none is given. */
  readonly kind?: string;
  /** How long one call may take, in milliseconds; long enough for any honest answer where none is given. */
  readonly timeoutMs?: number;
}

/** A running key service with a way to open keys in it. */
export interface World<Key extends OpenedKey> extends AsyncDisposable {
  /** Makes a key and opens it. */
  openKey(options?: OpenOptions): Promise<Key>;
  /**
   * What its log calls the requests that it has had so far; `unreadable` where it gives ids with its answers and nobody
   * here can read its log, absent where it gives none.
   */
  requestIds?(): readonly string[] | 'unreadable';
}

/** A kind of key that wraps, by the environment's name for it. */
export interface KeyKind {
  readonly name: string;
  /** Whether an entry opens with its own context alone. */
  readonly bindsContext: boolean;
  /** False where the same bytes are wrapped to the same entry each time, as by AES Key Wrap (RFC 3394). */
  readonly wrapsDiffer?: false;
  /** True where a wrap takes the public part and asks nobody. */
  readonly wrapsHere?: true;
}
