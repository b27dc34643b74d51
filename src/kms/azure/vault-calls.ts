/** The calls to a vault: with current tokens, ended by their signal, their failures sorted. */
import type { KeyVaultKey } from '@azure/keyvault-keys';
import type { Clock } from '../../base/clock.ts';
import { SecretBytes } from '../../base/secret.ts';
import { untilAborted } from '../../base/until-aborted.ts';
import { gaveUp, KmsError } from '../fault.ts';
import type { AzureKeyConfig } from '../key-config.ts';
import type { KeyCall } from '../key-service.ts';
import { noteRequest } from '../provider-note.ts';
import { cloudOf, isForKeys } from './clouds.ts';
import type { AzureCredentialLease, AzureCredentials } from './credentials.ts';
import type { WrapAlgorithm } from './entry.ts';
import { Exchange } from './exchange.ts';
import { foreignChallenge, incompleteAnswer, vaultError } from './failure.ts';
import { type FaultTable, readFaults, unwrapFaults, wrapFaults } from './faults.ts';
import { type GuardedClient, VaultClients } from './vault-clients.ts';
import { AzureWire } from './wire.ts';

/** What the calls for one key need. */
export interface VaultCallOptions {
  readonly clock: Clock;
  /** Whether the vault's host is a simulator's, which may ask for tokens of any name. */
  readonly isTrusted: boolean;
  readonly credentials: AzureCredentials;
  /** Authorities in PEM that are trusted in place of the machine's own: for simulators. */
  readonly ca?: string;
}

/** The operations of Key Vault that keyproxy uses, by their own names, and what sorts their failures. */
const tables = {
  getKey: readFaults,
  getDeletedKey: readFaults,
  wrapKey: wrapFaults,
  unwrapKey: unwrapFaults,
} satisfies Readonly<Record<string, FaultTable>>;

type VaultOperation = keyof typeof tables;

/** How a call ends, and what it notes. */
type VaultCall = Pick<KeyCall, 'signal' | 'note'>;

/** The one login of Azure that is nobody's own: it ends by its own time limit. */
const everybodys = new AbortController().signal;
const publicAuthority = 'https://login.microsoftonline.com';

/** The calls for one key. Disposing of it closes its connections and lets go of its tokens. */
export class VaultCalls implements Disposable {
  readonly #config: AzureKeyConfig;
  readonly #options: VaultCallOptions;
  readonly #wire: AzureWire;
  readonly #clients: VaultClients;
  /** Absent until a vault of unknown host has said what its tokens are for. */
  #lease: AzureCredentialLease | undefined;
  #closed = false;
  #answers = 0;

  constructor(config: AzureKeyConfig, options: VaultCallOptions) {
    this.#config = config;
    this.#options = options;
    this.#wire = new AzureWire(options.ca);
    const tokens = { getToken: (scopes: string | string[]) => this.#token(String(scopes)) };
    const { vaultUrl, keyName } = config;
    this.#clients = new VaultClients({ vaultUrl, keyName, wire: this.#wire, tokens, isTrusted: options.isTrusted });
    const scope = cloudOf(vaultUrl)?.scope;
    if (scope !== undefined) this.#lease = this.#leaseFor(scope);
  }

  /** How many calls the vault has answered with success. */
  get answers(): number {
    return this.#answers;
  }

  /** Reads a version of the key, the newest where none is given. */
  getKey(version: string | undefined, signal: AbortSignal): Promise<KeyVaultKey> {
    const { reader } = this.#clients;
    return this.#call('getKey', reader, { signal }, () =>
      reader.client.getKey(this.#config.keyName, version === undefined ? {} : { version }),
    );
  }

  /** Whether the key is deleted and can still be recovered; false as well where that cannot be learned. */
  async isDeleted(signal: AbortSignal): Promise<boolean> {
    const { reader } = this.#clients;
    const read = () => reader.client.getDeletedKey(this.#config.keyName);
    return await this.#call('getDeletedKey', reader, { signal }, read).then(
      () => true,
      () => false,
    );
  }

  /** Has the service wrap `plaintext` under a version. */
  async wrap(version: string, plaintext: SecretBytes, call: VaultCall): Promise<Buffer> {
    const client = this.#clients.ofVersion(version);
    const send = () => client.client.wrapKey('A256KW', plaintext.reveal());
    const bytes = bytesOf(await this.#call('wrapKey', client, call, send));
    if (bytes === undefined) throw incompleteAnswer('wrapKey');
    return bytes;
  }

  /** Has the service unwrap `ciphertext`, which has to be one of this version's and algorithm's. */
  async unwrap(
    { version, algorithm, ciphertext }: { version: string; algorithm: WrapAlgorithm; ciphertext: Buffer },
    call: VaultCall,
  ): Promise<SecretBytes> {
    const client = this.#clients.ofVersion(version);
    const send = () => client.client.unwrapKey(algorithm, ciphertext);
    const bytes = bytesOf(await this.#call('unwrapKey', client, call, send));
    if (bytes === undefined) throw incompleteAnswer('unwrapKey');
    return SecretBytes.adopt(bytes);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#wire[Symbol.dispose]();
    this.#lease?.[Symbol.dispose]();
  }

  /** Makes a call; with a token that the vault finds stale, once more after it has been renewed. */
  async #call<T>(
    operation: VaultOperation,
    { gate }: GuardedClient<unknown>,
    { signal, note }: VaultCall,
    send: () => Promise<T>,
  ): Promise<T> {
    const attempt = () =>
      gate
        .run(signal, async (passed) => {
          const exchange = new Exchange(signal, passed);
          const answer = await this.#send(operation, exchange, send);
          noteRequest(note, exchange.outcome.kind === 'answer' ? exchange.outcome.requestId : undefined);
          return answer;
        })
        .catch((error) => {
          throw error instanceof KmsError ? error : gaveUp({ provider: 'azure_kv', operation }, error);
        });
    const used = await this.#lease?.credentials.current(signal);
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof KmsError) || error.fault.kind !== 'credentials') throw error;
      const { credentials } = this.#lease ?? {};
      // A login that failed is no stale token: it has just been tried.
      if (credentials === undefined || error.details.operation !== operation) throw error;
      const sent = used ?? credentials.held();
      if ((await credentials.renewUnlessFresh(sent, signal)) === sent) throw error;
      return await attempt();
    }
  }

  async #send<T>(operation: VaultOperation, exchange: Exchange, send: () => Promise<T>): Promise<T> {
    try {
      const answer = await untilAborted(exchange.run(send), exchange.signal);
      this.#answers++;
      return answer;
    } catch (error) {
      if (error instanceof KmsError) throw error;
      if (exchange.signal.aborted) throw gaveUp({ provider: 'azure_kv', operation }, exchange.signal.reason);
      const call = { operation, table: tables[operation], now: this.#options.clock.now() };
      throw vaultError(error, exchange.outcome, call);
    }
  }

  /**
   * A token for the library. It would renew tokens by itself near their end, once for all who wait; told that they end
   * at once it asks before each request, gets what is held, and keeps none. What it says of a directory is not read.
   */
  async #token(scope: string) {
    // For all other hosts the library itself has seen to it that the scope is a part of the host's name.
    if (this.#options.isTrusted && !isForKeys(scope, this.#config.vaultUrl)) throw foreignChallenge();
    this.#lease ??= this.#leaseFor(scope);
    const { token } = await this.#lease.credentials.current(everybodys);
    return { token, expiresOnTimestamp: 0 };
  }

  #leaseFor(scope: string): AzureCredentialLease {
    if (this.#closed)
      throw gaveUp({ provider: 'azure_kv', operation: 'GetToken' }, new Error('the key has been closed'));
    const { credential, tenant, clientId, vaultUrl } = this.#config;
    return this.#options.credentials.lease({
      credential,
      ...(tenant !== undefined && { tenant }),
      ...(clientId !== undefined && { clientId }),
      scope,
      authorityHost: cloudOf(vaultUrl)?.authorityHost ?? publicAuthority,
    });
  }
}

/** The library's bytes: the same memory, so that wiping them wipes what it decoded. */
function bytesOf({ result }: { readonly result?: Uint8Array }): Buffer | undefined {
  if (result === undefined || result.length === 0) return undefined;
  return Buffer.from(result.buffer, result.byteOffset, result.byteLength);
}
