/** Keys of the Azure simulator, opened through the Azure provider. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import type { AzureCredentials } from '../../src/kms/azure/credentials.ts';
import { openAzureCredentials, openAzureKey } from '../../src/kms/azure/open.ts';
import type { AzureCredential, AzureKeyConfig } from '../../src/kms/key-config.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import type { SimulatedApplication } from '../simulators/azure/principals.ts';
import { type AzureSimulator, startAzureSimulator } from '../simulators/azure/server.ts';
import type { KeyOptions, SimulatedKey } from '../simulators/azure/simulated-key.ts';
import type { Permission } from '../simulators/azure/vault-access.ts';
import { SteeredClock } from './steered-clock.ts';
import type { OpenedKey, OpenOptions, World } from './world.ts';

/** Long enough for any honest answer of the simulator, in milliseconds. */
const honestMs = 10_000;

/** What the seed of the product has a customer grant: no permission to wrap. */
export const seedPermissions: readonly Permission[] = ['get', 'list', 'decrypt', 'unwrapKey'];

export interface AzureKeyInHand extends OpenedKey {
  /** The key as its owner holds it. */
  readonly owned: SimulatedKey;
  readonly ownEntry?: EncryptedDataKey;
}

export interface AzureOpenOptions {
  readonly timeoutMs?: number;
  readonly proofMs?: number;
  readonly keyVersion?: string;
  /** keyproxy's application with its secret unless given. */
  readonly identity?: Pick<AzureKeyConfig, 'tenant' | 'clientId'> & { readonly credential: AzureCredential };
}

const kinds: Readonly<Record<string, KeyOptions>> = {
  RSA_2048: { kty: 'RSA', size: 2048 },
  RSA_3072: { kty: 'RSA', size: 3072 },
  RSA_4096: { kty: 'RSA', size: 4096 },
  RSA_HSM_2048: { kty: 'RSA-HSM', size: 2048 },
  OCT_HSM: { kty: 'oct-HSM', size: 256 },
  EC_P256: { kty: 'EC' },
  EC_HSM: { kty: 'EC-HSM' },
};

export class AzureWorld implements World<AzureKeyInHand> {
  readonly azure: AzureSimulator;
  /** keyproxy's own, which every key is granted to as the seed has it. */
  readonly application: SimulatedApplication;
  /** The time of the provider and of the simulator. */
  readonly clock: SteeredClock;
  readonly credentials: AzureCredentials;
  readonly #folder: string;
  readonly #proofMs: number;
  /** RSA keys that nobody has open: a pair takes seconds to make, so tests hand them on. */
  readonly #idle = new Map<string, SimulatedKey[]>();

  private constructor(
    azure: AzureSimulator,
    clock: SteeredClock,
    { folder, proofMs }: { folder: string; proofMs: number },
  ) {
    this.azure = azure;
    this.clock = clock;
    this.#folder = folder;
    this.#proofMs = proofMs;
    this.application = azure.createApplication();
    this.credentials = openAzureCredentials({
      clock: this.clock,
      random: () => 0.5,
      timeoutMs: honestMs,
      authorityHost: azure.authorityHost,
      ca: azure.ca,
    });
  }

  /**
   * Starts a simulator. RSA keys wrap without it: with a `proofMs` of 0, which is what it is unless given, every wrap
   * has the key unwrap something first, and so meets what the simulator has been told to do.
   */
  static async start(proofMs = 0): Promise<AzureWorld> {
    const clock = new SteeredClock();
    const folder = await mkdtemp(join(tmpdir(), 'keyproxy-azure-'));
    const world = new AzureWorld(await startAzureSimulator({ clock }), clock, { folder, proofMs });
    await writeFile(world.secretFile, `${world.application.secret}\n`);
    return world;
  }

  /** Holds the application's secret. */
  get secretFile(): string {
    return join(this.#folder, 'secret');
  }

  /** A file of the given content, that goes with the world. */
  async file(name: string, content: string): Promise<string> {
    const path = join(this.#folder, name);
    await writeFile(path, content);
    return path;
  }

  /** Makes a key that keyproxy may use, and opens it. An RSA key may have been another test's before. */
  async openKey(options: OpenOptions = {}): Promise<AzureKeyInHand> {
    const { kind = 'RSA_2048', timeoutMs } = options;
    const idle = kind.startsWith('RSA_') ? this.#idleOf(kind) : [];
    const owned = idle.pop() ?? this.create(kind);
    const key = inHand(this.open(owned, timeoutMs === undefined ? {} : { timeoutMs }), owned);
    return {
      ...key,
      [Symbol.asyncDispose]: () => {
        // The next test gets the key as if it were new.
        this.azure.faults.clear();
        owned.setEnabled(true);
        owned.setTimes({});
        owned.setTags({});
        idle.push(owned);
        return key[Symbol.asyncDispose]();
      },
    };
  }

  /** Makes a key of a kind and grants it as the seed has it; one that wraps at its service needs a permission more. */
  create(kind = 'RSA_2048'): SimulatedKey {
    const owned = this.azure.createKey(kinds[kind] ?? {});
    const more: Permission[] = kind === 'OCT_HSM' ? ['wrapKey'] : [];
    this.azure.grant(this.application.objectId, owned.name, [...seedPermissions, ...more]);
    return owned;
  }

  /** Opens a key once more, as another part of the process would. */
  open(owned: SimulatedKey, options: AzureOpenOptions = {}): KeyService {
    const { timeoutMs = honestMs, proofMs = this.#proofMs, keyVersion } = options;
    const identity = options.identity ?? this.secretIdentity();
    return openAzureKey(
      {
        provider: 'azure_kv',
        vaultUrl: owned.id.slice(0, owned.id.indexOf('/keys/')),
        keyName: owned.name,
        ...(keyVersion !== undefined && { keyVersion }),
        ...identity,
      },
      { clock: this.clock, timeoutMs, proofMs, isTrusted: true, credentials: this.credentials, ca: this.azure.ca },
    );
  }

  /** An application that nobody has logged in as, allowed to use every key as the seed has it. */
  newApplication(): SimulatedApplication {
    const application = this.azure.createApplication();
    this.azure.grant(application.objectId, '*', seedPermissions);
    return application;
  }

  /** A key of an application's, whose secret is in a file of its own. */
  async withSecret(application: SimulatedApplication): Promise<{ service: KeyService; file: string }> {
    const file = await this.file(`secret-${application.clientId}`, application.secret);
    await using key = await this.openKey();
    return { service: this.open(key.owned, { identity: this.secretIdentity(application, file) }), file };
  }

  /** How often an application, or a managed identity, has been given a token or not. */
  logins(clientId: string): number {
    return this.azure.count('token', { clientId });
  }

  /** Tells which calls the vault has had about a key since it was last asked, challenges left out. */
  counting(key: SimulatedKey): () => string[] {
    const all = () => this.azure.calls.filter(({ service, key: name }) => service === 'vault' && name === key.name);
    let seen = all().length;
    return () => {
      const fresh = all().slice(seen);
      seen += fresh.length;
      return fresh.map(({ operation }) => operation).filter((operation) => operation !== 'challenge');
    };
  }

  /** keyproxy's application with the secret in its file. */
  secretIdentity(application: SimulatedApplication = this.application, file: string = this.secretFile) {
    const { tenant, clientId } = application;
    return { tenant, clientId, credential: { kind: 'client_secret_file', file } } as const;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.credentials[Symbol.dispose]();
    await this.azure[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true });
  }

  requestIds(): readonly string[] {
    return this.azure.calls.map(({ requestId }) => requestId);
  }

  #idleOf(kind: string): SimulatedKey[] {
    const idle = this.#idle.get(kind) ?? [];
    this.#idle.set(kind, idle);
    return idle;
  }
}

function inHand(service: KeyService, owned: SimulatedKey): AzureKeyInHand {
  return { service, owned, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
}
