/** The clients of the key library for one key: one that reads it, and one for each of a few versions. */
import { CryptographyClient, type CryptographyClientOptions, KeyClient, type KeyVaultKey } from '@azure/keyvault-keys';
import { FirstAlone } from './first-alone.ts';
import type { AzureWire } from './wire.ts';

/** A client, and what keeps its first requests apart. */
export interface GuardedClient<C> {
  readonly client: C;
  readonly gate: FirstAlone;
}

/** What the library gets its tokens from. */
export type TokenSource = ConstructorParameters<typeof KeyClient>[1];

/** What the clients of one key share. */
export interface VaultClientOptions {
  readonly vaultUrl: string;
  readonly keyName: string;
  readonly wire: AzureWire;
  readonly tokens: TokenSource;
  /** A simulator, whose host has nothing to do with what it asks tokens for. */
  readonly isTrusted: boolean;
}

/** Most versions at a time with a client of their own; entries may name any number of versions. */
const maxVersions = 4;

/** The clients of one key; the oldest of those for versions make room for new ones. */
export class VaultClients {
  readonly #options: VaultClientOptions;
  readonly #reader: GuardedClient<KeyClient>;
  /** In the order of their last use. */
  readonly #versions = new Map<string, GuardedClient<CryptographyClient>>();

  constructor(options: VaultClientOptions) {
    this.#options = options;
    const { vaultUrl, tokens } = options;
    this.#reader = { client: new KeyClient(vaultUrl, tokens, this.#settings()), gate: new FirstAlone() };
  }

  /** The client that reads the key. */
  get reader(): GuardedClient<KeyClient> {
    return this.#reader;
  }

  /** The client that wraps and unwraps with a version. */
  ofVersion(version: string): GuardedClient<CryptographyClient> {
    const found = this.#versions.get(version) ?? { client: this.#cryptography(version), gate: new FirstAlone() };
    this.#versions.delete(version);
    this.#versions.set(version, found);
    for (const oldest of this.#versions.keys()) {
      if (this.#versions.size <= maxVersions) break;
      this.#versions.delete(oldest);
    }
    return found;
  }

  /**
   * Given an id, the library would first read the key, keep its dates and operations for ever, and answer from them. Of
   * a key whose material it does not know it has to ask the service, for everything.
   */
  #cryptography(version: string): CryptographyClient {
    const { vaultUrl, keyName: name, tokens } = this.#options;
    const id = `${vaultUrl}/keys/${name}/${version}`;
    const key: KeyVaultKey = { id, name, properties: { id, name, vaultUrl, version } };
    return new CryptographyClient(key, tokens, this.#settings());
  }

  /** A new object each time: the library writes into it. */
  #settings(): CryptographyClientOptions {
    return {
      httpClient: this.#options.wire,
      retryOptions: { maxRetries: 0 },
      redirectOptions: { maxRetries: 0 },
      disableChallengeResourceVerification: this.#options.isTrusted,
    };
  }
}
