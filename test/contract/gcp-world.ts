/** Keys of the Google Cloud simulator, opened through the Google Cloud provider. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GcpCredentials } from '../../src/kms/gcp/credentials.ts';
import { openGcpCredentials, openGcpKey } from '../../src/kms/gcp/open.ts';
import type { GcpCredential, GcpKeyConfig } from '../../src/kms/key-config.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { type GcpSimulator, startGcpSimulator } from '../simulators/gcp/server.ts';
import type { KeyOptions, SimulatedKey } from '../simulators/gcp/simulated-key.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { SteeredClock } from './steered-clock.ts';
import type { OpenedKey, OpenOptions, World } from './world.ts';

/** Long enough for any honest answer of the simulator, in milliseconds. */
export const honestMs = 10_000;
/** For tests in which a proof is never asked for again. */
const longProofMs = 3_600_000;

export interface GcpKeyInHand extends OpenedKey {
  /** The key as its owner holds it. */
  readonly owned: SimulatedKey;
}

/** How a key is opened: what the tenant's file may say, and the engine's times. */
export type GcpOpenOptions = Partial<Omit<GcpKeyConfig, 'provider' | 'keyName'>> & {
  readonly timeoutMs?: number;
  readonly proofMs?: number;
};

/** Kinds of keys by the names that the contract's table has for them. */
const kinds: Readonly<Record<string, KeyOptions>> = {
  SYMMETRIC: {},
  HSM_SYMMETRIC: { protectionLevel: 'HSM' },
  EXTERNAL_SYMMETRIC: { protectionLevel: 'EXTERNAL' },
  RSA_2048: { algorithm: 'RSA_DECRYPT_OAEP_2048_SHA256' },
  RSA_3072: { algorithm: 'RSA_DECRYPT_OAEP_3072_SHA256' },
  RSA_4096: { algorithm: 'RSA_DECRYPT_OAEP_4096_SHA256' },
  RSA_4096_SHA512: { algorithm: 'RSA_DECRYPT_OAEP_4096_SHA512' },
  RSA_2048_SHA1: { algorithm: 'RSA_DECRYPT_OAEP_2048_SHA1' },
  EC_SIGN: { algorithm: 'EC_SIGN_P256_SHA256' },
  RAW_AES: { algorithm: 'AES_256_GCM' },
  MAC: { algorithm: 'HMAC_SHA256' },
};

/** What a customer grants in full: use of the key, its public part, a look at it. */
export const allRoles = [
  'roles/cloudkms.cryptoKeyEncrypterDecrypter',
  'roles/cloudkms.publicKeyViewer',
  'roles/cloudkms.viewer',
] as const;

export class GcpWorld implements World<GcpKeyInHand> {
  readonly gcp: GcpSimulator;
  /** The provider's time; the simulator has the machine's. */
  readonly clock: SteeredClock;
  readonly credentials: GcpCredentials;
  /** keyproxy's own service account. */
  readonly account: ReturnType<GcpSimulator['createServiceAccount']>;
  /** Holds what credentials are read from. */
  readonly folder: string;
  readonly #credential: GcpCredential;
  readonly #remove: () => Promise<void>;
  /** RSA keys that nobody has open: a pair takes seconds to make, so tests hand them on. */
  readonly #idle = new Map<string, SimulatedKey[]>();

  private constructor(gcp: GcpSimulator, clock: SteeredClock, folder: { path: string } & AsyncDisposable) {
    this.gcp = gcp;
    this.clock = clock;
    this.folder = folder.path;
    this.#remove = async () => folder[Symbol.asyncDispose]();
    this.account = gcp.createServiceAccount();
    this.#credential = { kind: 'service_account_file', file: join(folder.path, 'own.json') };
    const { authorities } = gcp;
    this.credentials = openGcpCredentials({ clock, random: () => 0.5, timeoutMs: honestMs, authorities });
  }

  /** Starts a simulator; `steered`: its time is the provider's. */
  static async start({ steered = false } = {}): Promise<GcpWorld> {
    const clock = new SteeredClock();
    const gcp = await startGcpSimulator(steered ? { clock } : {});
    const world = new GcpWorld(gcp, clock, await temporaryFolder());
    await world.write('own.json', world.account.keyFile());
    return world;
  }

  /** Writes a file with credentials and says where it is. */
  async write(name: string, content: object | string): Promise<string> {
    const file = join(this.folder, name);
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  }

  /** Opens a key of a kind that keyproxy's own account may use. An RSA key may have been another test's before. */
  async openKey(options: OpenOptions & GcpOpenOptions = {}): Promise<GcpKeyInHand> {
    const { kind = 'SYMMETRIC', ...others } = options;
    const idle = kind.startsWith('RSA_') ? this.#idleOf(kind) : [];
    const owned = idle.pop() ?? this.createKey(kind);
    const service = this.open(owned, others);
    return {
      service,
      owned,
      [Symbol.asyncDispose]: () => {
        idle.push(owned);
        return service[Symbol.asyncDispose]();
      },
    };
  }

  /** Makes a key and grants its use in full. */
  createKey(kind: string): SimulatedKey {
    const options = kinds[kind];
    if (options === undefined) throw new RangeError(`there is no kind ${kind}`);
    const owned = this.gcp.createKey(options);
    this.gcp.grant(this.account.email, owned.name, ...allRoles);
    return owned;
  }

  /** Opens a key once more, as another part of the process would. */
  open(owned: Pick<SimulatedKey, 'name'>, options: GcpOpenOptions = {}): KeyService {
    const { timeoutMs = honestMs, proofMs = longProofMs, credential = this.#credential, ...config } = options;
    const { clock, credentials } = this;
    return openGcpKey(
      { provider: 'gcp_kms', keyName: owned.name, endpoint: this.gcp.endpoint, credential, ...config },
      { clock, timeoutMs, proofMs, credentials },
    );
  }

  #idleOf(kind: string): SimulatedKey[] {
    const idle = this.#idle.get(kind) ?? [];
    this.#idle.set(kind, idle);
    return idle;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.credentials[Symbol.dispose]();
    await this.gcp[Symbol.asyncDispose]();
    await this.#remove();
  }
}
