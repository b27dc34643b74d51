/** Keys of the Vault simulator, opened through the Vault provider, each with a login, a policy and a role of its own. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VaultAuth, VaultKeyConfig } from '../../src/kms/key-config.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import type { VaultCredentials } from '../../src/kms/vault/credentials.ts';
import { openVaultCredentials, openVaultKey } from '../../src/kms/vault/open.ts';
import type { PolicyRules } from '../simulators/vault/acl.ts';
import { startVaultSimulator, type VaultSimulator, type VaultSimulatorOptions } from '../simulators/vault/server.ts';
import type { KeyOptions, SimulatedKey } from '../simulators/vault/simulated-key.ts';
import type { AppRoleOptions, SimulatedAppRole } from '../simulators/vault/simulated-roles.ts';
import type { KeyType } from '../simulators/vault/transit-key.ts';
import { SteeredClock } from './steered-clock.ts';
import type { OpenedKey, OpenOptions, World } from './world.ts';

/** Long enough for any honest answer of the simulator, in milliseconds. */
const honestMs = 10_000;

export interface VaultKeyInHand extends OpenedKey {
  /** The key as its owner holds it. */
  readonly owned: SimulatedKey;
  readonly config: VaultKeyConfig;
  readonly role: SimulatedAppRole;
  /** Where the secret id is read from. */
  readonly secretIdFile: string;
  /** Replaces what keyproxy may do on this key. */
  setPolicy(rules: PolicyRules): void;
}

export interface VaultKeyOptions {
  readonly key?: KeyOptions;
  readonly role?: Partial<AppRoleOptions>;
  readonly rules?: (key: SimulatedKey) => PolicyRules;
  readonly timeoutMs?: number;
  readonly caFile?: string;
}

/** What a customer's policy has to give: everything that keyproxy uses, and no `create`. */
export function allowing({ mount, name }: Pick<SimulatedKey, 'mount' | 'name'>): PolicyRules {
  return {
    [`${mount}/encrypt/${name}`]: ['update'],
    [`${mount}/decrypt/${name}`]: ['update'],
    [`${mount}/rewrap/${name}`]: ['update'],
    [`${mount}/datakey/plaintext/${name}`]: ['update'],
    [`${mount}/keys/${name}`]: ['read'],
  };
}

export class VaultWorld implements World<VaultKeyInHand> {
  readonly vault: VaultSimulator;
  /** The provider's time and the simulator's. */
  readonly clock: SteeredClock;
  readonly credentials: VaultCredentials;
  /** For secret ids, tokens and certificates. */
  readonly folder: string;
  #keys = 0;
  /** RSA keys that nobody has open: a pair takes seconds to make, so tests hand them on. */
  readonly #idle = new Map<string, SimulatedKey[]>();

  private constructor(vault: VaultSimulator, clock: SteeredClock, folder: string) {
    this.vault = vault;
    this.clock = clock;
    this.folder = folder;
    this.credentials = openVaultCredentials({ clock, random: () => 0.5, timeoutMs: 2_000 });
  }

  static async start(options: Omit<VaultSimulatorOptions, 'clock'> = {}): Promise<VaultWorld> {
    const clock = new SteeredClock();
    const folder = await mkdtemp(join(tmpdir(), 'keyproxy-vault-'));
    return new VaultWorld(await startVaultSimulator({ ...options, clock }), clock, folder);
  }

  /** Opens a key of a type. An RSA key may have been another test's before. */
  async openKey({ kind = 'aes256-gcm96', timeoutMs }: OpenOptions = {}): Promise<VaultKeyInHand> {
    const idle = kind.startsWith('rsa-') ? this.#idleOf(kind) : [];
    const owned = idle.pop() ?? this.vault.createKey({ type: kind as KeyType });
    const key = await this.openWith(owned, timeoutMs === undefined ? {} : { timeoutMs });
    const dispose = async () => {
      idle.push(owned);
      await key.service[Symbol.asyncDispose]();
    };
    return { ...key, [Symbol.asyncDispose]: dispose };
  }

  /** Makes a key and opens it behind an AppRole of its own. */
  openRoleKey(options: VaultKeyOptions = {}): Promise<VaultKeyInHand> {
    const { namespace } = options.key ?? {};
    if (namespace !== undefined) this.vault.createNamespace(namespace);
    return this.openWith(this.vault.createKey(options.key), options);
  }

  /** Opens a key behind an AppRole of its own. */
  async openWith(owned: SimulatedKey, options: VaultKeyOptions = {}): Promise<VaultKeyInHand> {
    const number = this.#keys++;
    const { namespace } = owned;
    const policy = `keyproxy-${number}`;
    const setPolicy = (rules: PolicyRules) => this.vault.createPolicy(policy, rules, namespace);
    setPolicy((options.rules ?? allowing)(owned));
    const place = namespace === undefined ? {} : { namespace };
    const role = this.vault.approle({ policies: ['default', policy], ...place, ...options.role });
    const secretIdFile = await this.file(`secret-id-${number}`, role.newSecretId());
    const auth: VaultAuth = { method: 'approle', mount: role.mount, roleId: role.roleId, secretIdFile };
    const config = this.configOf(owned, auth, options.caFile);
    const service = this.open(config, options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs });
    const dispose = () => service[Symbol.asyncDispose]();
    return { service, owned, config, role, secretIdFile, setPolicy, [Symbol.asyncDispose]: dispose };
  }

  /** Opens what a configuration names, once more or in its own way. */
  open(config: VaultKeyConfig, options: { timeoutMs?: number; tenantId?: string } = {}): KeyService {
    const { timeoutMs = honestMs, tenantId = 'acme' } = options;
    return openVaultKey(config, { clock: this.clock, tenantId, timeoutMs, credentials: this.credentials });
  }

  configOf(owned: SimulatedKey, auth: VaultAuth, caFile?: string): VaultKeyConfig {
    const { mount, name: keyName, namespace } = owned;
    return {
      provider: 'vault',
      address: this.vault.address,
      mount,
      keyName,
      ...(namespace !== undefined && { namespace }),
      ...(caFile !== undefined && { caFile }),
      auth,
    };
  }

  /** Writes a file for keyproxy to read; returns its path. */
  async file(name: string, content: string): Promise<string> {
    const path = join(this.folder, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  }

  requestIds(): readonly string[] {
    return this.vault.calls.map(({ requestId }) => requestId);
  }

  #idleOf(kind: string): SimulatedKey[] {
    const idle = this.#idle.get(kind) ?? [];
    this.#idle.set(kind, idle);
    return idle;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.credentials[Symbol.dispose]();
    await rm(this.folder, { recursive: true, force: true });
    await this.vault[Symbol.asyncDispose]();
  }
}
