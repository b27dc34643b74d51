/**
 * Azure Key Vault, Managed HSM, Entra ID and the metadata service of virtual machines, each on a loopback port of its
 * own, over their own wire protocols and never kinder than the real ones.
 *
 * There is one vault and one managed HSM; both belong to the directory's first tenant and accept its tokens alone. A
 * key is known by its name, so the two share one space of names. Nothing is logged, and no secret leaves but in an
 * answer or from a function here that makes one.
 */
import type { Clock } from '../../../src/base/clock.ts';
import { makeAuthority } from '../../support/certificates.ts';
import { KeyPairSource } from '../aws/key-pairs.ts';
import { RateLimit } from '../aws/rate-limit.ts';
import { Faults } from '../http/fault.ts';
import { AccessTokens } from './access-tokens.ts';
import type { Desk } from './answering.ts';
import { type AzureFaultTarget, type Call, type CallFilter, countCalls } from './calls.ts';
import { Directory, type FederatedCredential, type ServiceAccountTokenOptions } from './directory.ts';
import { type Entra, entraService } from './entra.ts';
import { type Imds, imdsService } from './imds.ts';
import { KeyStore } from './keys.ts';
import { type Listener, type ListenOptions, listen } from './listening.ts';
import { addApplication, addManagedIdentity, type SimulatedApplication, type SimulatedIdentity } from './principals.ts';
import { type KeyOptions, type SimulatedKey, simulateKey } from './simulated-key.ts';
import { vaultService } from './vault.ts';
import { Grants, type Permission } from './vault-access.ts';
import type { Vault } from './vault-operation.ts';

export interface SimulatorOptions {
  /** The services' own time: what tokens, keys' validity and waiting periods are judged by. */
  readonly clock?: Pick<Clock, 'now'>;
}

export interface AzureSimulator extends AsyncDisposable {
  /** `https://127.0.0.1:PORT`: what a real `https://NAME.vault.azure.net` is. Tokens for it name `https://vault.azure.net`. */
  readonly vaultUrl: string;
  /** Likewise of `https://NAME.managedhsm.azure.net`, with tokens for `https://managedhsm.azure.net`. */
  readonly hsmUrl: string;
  /** Likewise of `https://login.microsoftonline.com`. */
  readonly authorityHost: string;
  /** `http://127.0.0.1:PORT`: what a real `http://169.254.169.254` is. */
  readonly imdsEndpoint: string;
  /** The certificate, as PEM, that clients of the three HTTPS addresses have to trust. */
  readonly ca: string;
  /** The tenant of vault and HSM, as an id; `tenantDomain` is another name of it. */
  readonly tenant: string;
  readonly tenantDomain: string;
  readonly faults: Faults<AzureFaultTarget>;
  /** Every call so far, in the order of their answers. */
  readonly calls: readonly Call[];
  /** Number of calls of an operation that fit the filter. */
  count(operation: string, filter?: CallFilter): number;
  createKey(options?: KeyOptions): SimulatedKey;
  /** An application with a client secret. In another tenant than the vault's, which it makes, it gets no further. */
  createApplication(options?: { tenant?: string; secret?: string }): SimulatedApplication;
  /** Lets an application log in with tokens of another issuer. */
  federate(application: Pick<SimulatedApplication, 'clientId'>, credential: FederatedCredential): void;
  /** A token as a cluster projects it into a pod; its issuer publishes the key, unless a stranger signs. */
  mintServiceAccountToken(options: ServiceAccountTokenOptions): Promise<string>;
  /** Gives the machine an identity: its own (system-assigned), or with `clientId` one that it shares (user-assigned). */
  managedIdentity(options?: { clientId?: string }): SimulatedIdentity;
  /**
   * Sets what a principal may do with a key, or with all keys of both (`*`), in place of what it could do before there.
   * Nobody may do anything without it; the empty list takes everything back.
   */
  grant(objectId: string, keyName: string, permissions: readonly Permission[]): void;
  /** What decides over permissions in the vault, and words its refusals: access policies unless set. */
  setPermissionModel(model: 'policy' | 'rbac'): void;
  /** Ends every token at once, as time would. */
  expireTokens(): void;
  /** Requests per second for each of vault and HSM; undefined lifts the limit. */
  setRateLimit(perSecond: number | undefined): void;
  /** The firewall of both. */
  setFirewall(state: 'closed' | 'open'): void;
}

const tenant = '6b1c2f0e-4a57-4c8d-9d57-0f5f1b7e2a31';
const tenantDomain = 'contoso.onmicrosoft.com';

/** What the services read and change. */
interface Cloud {
  readonly desk: Desk;
  readonly directory: Directory;
  readonly tokens: AccessTokens;
  readonly grants: Grants;
  readonly rateLimit: RateLimit;
  readonly vault: Vault;
  readonly hsm: Vault;
  readonly imds: Imds;
  readonly entra: Entra;
  readonly origins: { vault: string; hsm: string; entra: string };
}

/** Starts the simulator on free loopback ports. Dispose of it to cut its connections and free the ports. */
export async function startAzureSimulator({ clock = Date }: SimulatorOptions = {}): Promise<AzureSimulator> {
  const now = (): number => clock.now();
  const cloud = emptyCloud(now);
  const { desk, origins } = cloud;
  const closing = new AbortController();
  const bugs: unknown[] = [];
  const authority = await makeAuthority();
  const plain: ListenOptions = { desk, signal: closing.signal, bugs };
  const secure: ListenOptions = { ...plain, certificate: await authority.issue() };
  const listeners = await Promise.all([
    listen(vaultService(cloud.vault), secure),
    listen(vaultService(cloud.hsm), secure),
    listen(entraService(cloud.entra), secure),
    listen(imdsService(cloud.imds), plain),
  ]);
  const [vault, hsm, entra, imds] = listeners;
  Object.assign(origins, { vault: vault.origin, hsm: hsm.origin, entra: entra.origin });
  return {
    vaultUrl: vault.origin,
    hsmUrl: hsm.origin,
    authorityHost: entra.origin,
    imdsEndpoint: imds.origin,
    ca: authority.ca,
    tenant,
    tenantDomain,
    faults: desk.faults,
    calls: desk.calls,
    count: (operation, filter) => countCalls(desk.calls, operation, filter),
    ...administration(cloud, now),
    [Symbol.asyncDispose]: () => close(listeners, { closing, bugs }),
  };
}

type Administration = Omit<
  AzureSimulator,
  | 'vaultUrl'
  | 'hsmUrl'
  | 'authorityHost'
  | 'imdsEndpoint'
  | 'ca'
  | 'tenant'
  | 'tenantDomain'
  | 'faults'
  | 'calls'
  | 'count'
  | typeof Symbol.asyncDispose
>;

/** What owners and administrators can do. */
function administration(cloud: Cloud, now: () => number): Administration {
  const { directory, vault, hsm, imds } = cloud;
  const pairs = new KeyPairSource();
  let made = 0;
  return {
    createKey: (options = {}) => {
      const { kty = 'RSA', hsm: onHsm = kty === 'oct-HSM', name = `key-${made++}` } = options;
      if (onHsm ? !kty.endsWith('-HSM') : kty === 'oct-HSM')
        throw new TypeError(`there are no keys of type ${kty} there`);
      const { keys, origin } = onHsm ? hsm : vault;
      return simulateKey({ ...options, name }, { keys, origin, pairs, now });
    },
    createApplication: (options = {}) => addApplication(directory, { tenant, ...options }),
    federate: ({ clientId }, credential) => directory.federate(clientId, credential),
    mintServiceAccountToken: (options) => directory.mintServiceAccountToken(options),
    managedIdentity: (options = {}) => addManagedIdentity({ directory, imds }, { tenant, ...options }),
    grant: (objectId, keyName, permissions) => cloud.grants.set(objectId, keyName, permissions),
    setPermissionModel: (model) => {
      vault.gate.model = model;
    },
    expireTokens: () => {
      cloud.tokens.expireAll();
      imds.cache.clear();
    },
    setRateLimit: (perSecond) => cloud.rateLimit.set(perSecond),
    setFirewall: (state) => {
      for (const { gate } of [vault, hsm]) gate.firewall = state;
    },
  };
}

function emptyCloud(now: () => number): Cloud {
  const desk: Desk = { now, faults: new Faults(), calls: [] };
  const directory = new Directory(now);
  directory.addTenant({ id: tenant, domains: [tenantDomain] });
  const tokens = new AccessTokens(now);
  const grants = new Grants();
  const rateLimit = new RateLimit(now);
  const origins = { vault: '', hsm: '', entra: '' };
  const common = { tenant, tokens, directory, grants, authorityHost: () => origins.entra, firewall: 'open' } as const;
  const vault: Vault = {
    gate: { ...common, vaultName: 'acme-vault', audience: 'https://vault.azure.net', model: 'policy' },
    keys: new KeyStore(now),
    rateLimit,
    now,
    origin: () => origins.vault,
  };
  const hsm: Vault = {
    gate: { ...common, vaultName: 'acme-hsm', audience: 'https://managedhsm.azure.net', model: 'local-rbac' },
    keys: new KeyStore(now),
    rateLimit,
    now,
    origin: () => origins.hsm,
  };
  const imds: Imds = { identities: [], directory, tokens, now, cache: new Map() };
  const entra: Entra = { directory, tokens, now, origin: () => origins.entra };
  return { desk, directory, tokens, grants, rateLimit, vault, hsm, imds, entra, origins };
}

/** A failure of the simulator itself looks like an outage to the client, so it must not pass as one: it ends here. */
async function close(
  listeners: readonly Listener[],
  { closing, bugs }: { closing: AbortController; bugs: readonly unknown[] },
): Promise<void> {
  closing.abort();
  await Promise.all(listeners.map((listener) => listener[Symbol.asyncDispose]()));
  if (bugs.length > 0) throw new AggregateError(bugs, 'the Azure simulator failed while it answered');
}
