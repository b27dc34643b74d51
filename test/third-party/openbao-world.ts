/** Keys of an OpenBao server, opened through the Vault provider, an AppRole and a namespace of their own. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import type { VaultKeyConfig } from '../../src/kms/key-config.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import type { VaultCredentials } from '../../src/kms/vault/credentials.ts';
import { openVaultCredentials, openVaultKey } from '../../src/kms/vault/open.ts';
import type { OpenedKey, OpenOptions, World } from '../contract/world.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { OpenBaoOwner } from './openbao-owner.ts';
import { rootToken } from './servers.ts';

/** Long enough for any honest answer, in milliseconds. */
const honestMs = 20_000;

/** Where the engine is mounted: not at its usual place, and two parts deep. */
const mount = 'customer/transit';

/** What a customer gives keyproxy: everything that it uses, and no `create`, so that nothing is made by mistake. */
export const rules = ['encrypt', 'decrypt', 'rewrap', 'datakey/plaintext']
  .map((part) => `path "${mount}/${part}/*" { capabilities = ["update"] }`)
  .concat(`path "${mount}/keys/*" { capabilities = ["read"] }`)
  .join('\n');

export interface BaoKey extends OpenedKey {
  readonly name: string;
}

export interface EnterOptions {
  /** Whose calls set the world up, where they do not go the way that keyproxy goes. */
  readonly owner?: OpenBaoOwner;
  /** The authority of the server's certificate, a PEM file. */
  readonly caFile?: string;
  /** Options of the AppRole that keyproxy logs in with. */
  readonly role?: Readonly<Record<string, unknown>>;
}

let worlds = 0;
let keys = 0;

export class OpenBaoWorld implements World<BaoKey> {
  /** The owner, within the namespace. */
  readonly owner: OpenBaoOwner;
  readonly namespace: string;
  readonly secretIdFile: string;
  readonly mount = mount;
  readonly #config: Omit<VaultKeyConfig, 'keyName'>;
  readonly #stack: AsyncDisposableStack;
  readonly #credentials: VaultCredentials;
  /** RSA keys that nobody has open: a pair takes seconds to make, so tests hand them on. */
  readonly #idle = new Map<string, string[]>();

  private constructor(owner: OpenBaoOwner, config: Omit<VaultKeyConfig, 'keyName'>, stack: AsyncDisposableStack) {
    this.owner = owner;
    this.namespace = config.namespace ?? '';
    this.secretIdFile = config.auth.method === 'approle' ? config.auth.secretIdFile : '';
    this.#config = config;
    this.#stack = stack;
    this.#credentials = stack.use(openVaultCredentials({ clock: systemClock, random: () => 0.5, timeoutMs: honestMs }));
  }

  /** Makes a namespace with an engine, a policy and an AppRole in it. */
  static async enter(endpoint: string, options: EnterOptions = {}): Promise<OpenBaoWorld> {
    const { caFile, role = {}, owner: root = new OpenBaoOwner({ endpoint, token: rootToken }) } = options;
    const namespace = `tenant-${process.pid}-${worlds++}`;
    await root.call('POST', `sys/namespaces/${namespace}`);
    const owner = root.within(namespace);
    await owner.mountTransit(mount);
    await owner.setPolicy('keyproxy', rules);
    await owner.call('POST', 'sys/auth/approle', { type: 'approle' });
    const roleId = await owner.createAppRole('keyproxy', { token_policies: ['keyproxy'], ...role });
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryFolder());
    const secretIdFile = join(folder.path, 'secret-id');
    const auth = { method: 'approle', mount: 'approle', roleId, secretIdFile } as const;
    const ca = caFile === undefined ? {} : { caFile };
    const world = new OpenBaoWorld(
      owner,
      { provider: 'vault', address: endpoint, mount, namespace, ...ca, auth },
      stack,
    );
    await world.giveSecretId();
    return world;
  }

  /** Puts a new secret id where keyproxy reads it. */
  async giveSecretId(): Promise<void> {
    await writeFile(this.secretIdFile, `${await this.owner.newSecretId('keyproxy')}\n`, { mode: 0o600 });
  }

  requestIds(): 'unreadable' {
    return 'unreadable';
  }

  /** An RSA key may have been another test's before. */
  async openKey({ kind = 'aes256-gcm96', timeoutMs }: OpenOptions = {}): Promise<BaoKey> {
    const idle = kind.startsWith('rsa-') ? this.#idleOf(kind) : [];
    const name = idle.pop() ?? (await this.#createKey(kind));
    const service = this.open(name, timeoutMs);
    return {
      name,
      service,
      [Symbol.asyncDispose]: () => {
        idle.push(name);
        return service[Symbol.asyncDispose]();
      },
    };
  }

  async #createKey(kind: string): Promise<string> {
    const name = `key-${keys++}`;
    await this.owner.createKey(mount, name, { type: kind, ...(kind === 'hmac' && { key_size: 32 }) });
    return name;
  }

  #idleOf(kind: string): string[] {
    const idle = this.#idle.get(kind) ?? [];
    this.#idle.set(kind, idle);
    return idle;
  }

  /** Opens a key that may or may not exist. */
  open(keyName: string, timeoutMs = honestMs): KeyService {
    return openVaultKey(
      { ...this.#config, keyName },
      { clock: systemClock, tenantId: 'acme', timeoutMs, credentials: this.#credentials },
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
