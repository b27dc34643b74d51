/** All four key services on this machine, with one customer who has keys in each of them, and a daemon that asks them. */
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeySpec } from '../simulators/aws/keys.ts';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import type { KeyType } from '../simulators/azure/keys.ts';
import { type AzureSimulator, startAzureSimulator } from '../simulators/azure/server.ts';
import type { Algorithm } from '../simulators/gcp/keys.ts';
import { type GcpSimulator, startGcpSimulator } from '../simulators/gcp/server.ts';
import { startVaultSimulator, type VaultSimulator } from '../simulators/vault/server.ts';
import type { KeyType as VaultKeyType } from '../simulators/vault/transit-key.ts';
import { type Daemon, startDaemon, temporaryFolder } from './daemon.ts';
import { type DaemonFolder, daemonFolder } from './daemon-folder.ts';

/** A key of each service, as a line of a tenant's file says it and as its owner holds it. */
export interface CloudKey {
  readonly provider: 'aws_kms' | 'azure_kv' | 'gcp_kms' | 'vault';
  /** The provider's block, in one line of YAML. */
  readonly block: string;
  disable(): void;
  enable(): void;
  /** The customer deletes it, as far as the service lets go of a key at once. */
  remove(): void;
  /** The service gives no answer about this key; the function that it returns ends that. */
  silence(): () => void;
}

/** Makes a key, of a kind by its service's own name where one is given, and lets keyproxy use it. */
type MakeKey = (kind?: string) => CloudKey;

export interface Clouds extends AsyncDisposable {
  readonly aws: AwsSimulator;
  readonly azure: AzureSimulator;
  readonly gcp: GcpSimulator;
  readonly vault: VaultSimulator;
  /** Makes a key of the customer's that keyproxy may use. */
  readonly make: Readonly<Record<CloudKey['provider'], MakeKey>>;
  /** What stands in the daemon's file for all of them. */
  readonly daemonFile: string;
  /** What the daemon's process gets: its own identities, and whom it trusts. */
  readonly env: Readonly<Record<string, string>>;
}

/** Starts them all. */
export async function startClouds(): Promise<Clouds> {
  await using stack = new AsyncDisposableStack();
  const aws = stack.use(await startAwsSimulator());
  const azure = stack.use(await startAzureSimulator());
  const gcp = stack.use(await startGcpSimulator());
  const vault = stack.use(await startVaultSimulator({ tls: true }));
  const files = stack.use(await temporaryFolder());
  const file = async (name: string, content: string): Promise<string> => {
    const path = join(files.path, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  };
  const make = {
    aws_kms: awsKeys(aws),
    azure_kv: await azureKeys(azure, file),
    gcp_kms: await gcpKeys(gcp, file),
    vault: await vaultKeys(vault, file),
  };
  const trusted = [aws.endpoint, azure.vaultUrl, azure.hsmUrl, gcp.endpoint, vault.address];
  const { gcpOauth2, gcpSts, gcpIam } = gcp.authorities;
  const started = stack.move();
  return {
    ...{ aws, azure, gcp, vault, make },
    daemonFile: `
trusted_endpoints: ${JSON.stringify(trusted)}
aws: { sts_endpoint: "${aws.endpoint}" }
azure: { authority_host: "${azure.authorityHost}" }
gcp: { oauth2_endpoint: "${gcpOauth2}", sts_endpoint: "${gcpSts}", iam_endpoint: "${gcpIam}" }
log: { level: trace }
`,
    env: {
      NODE_EXTRA_CA_CERTS: await file('azure-ca.pem', azure.ca),
      AWS_ACCESS_KEY_ID: aws.platform.accessKeyId,
      AWS_SECRET_ACCESS_KEY: aws.platform.secretAccessKey,
      AWS_SESSION_TOKEN: '',
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

/** A folder for a daemon with these tenants' files, by tenant. */
export function cloudFolder(clouds: Clouds, tenants: Readonly<Record<string, string>>): Promise<DaemonFolder> {
  const files = Object.entries(tenants).map(([id, encryption]) => [
    `${id}.yaml`,
    `customer: ${id}\ntenant_id: ${id}\nencryption:\n${encryption.replaceAll(/^/gm, '  ')}\n`,
  ]);
  return daemonFolder({ extra: clouds.daemonFile, tenants: Object.fromEntries(files) });
}

/** Starts a daemon there, on a socket of its own. */
export function startCloudDaemon({ env }: Clouds, folder: DaemonFolder): Promise<Daemon> {
  const socket = `${randomUUID()}.sock`;
  return startDaemon({ ...folder.start, socket, env: { KEYPROXY_LISTEN_UNIX: socket, ...env } });
}

/** Writes a file for a tenant's configuration to name; resolves with its path. */
type WriteFile = (name: string, content: string) => Promise<string>;

const silence = { kind: 'reset' } as const;

function remover(...rules: readonly { remove(): void }[]): () => void {
  return () => {
    for (const rule of rules) rule.remove();
  };
}

function awsKeys(aws: AwsSimulator): MakeKey {
  return (kind = 'SYMMETRIC_DEFAULT') => {
    const key = aws.createKey({ spec: kind as KeySpec });
    return {
      provider: 'aws_kms',
      block: `{ key_arn: "${key.arn}", endpoint: "${aws.endpoint}" }`,
      disable: () => key.disable(),
      enable: () => key.enable(),
      remove: () => key.scheduleDeletion(),
      silence: () => remover(aws.faults.add({ keyArn: key.arn, fault: silence })),
    };
  };
}

/** The rights that a customer gives by the setup guide: none to wrap. */
const azureRights = ['get', 'list', 'decrypt', 'unwrapKey'] as const;

async function azureKeys(azure: AzureSimulator, file: WriteFile): Promise<MakeKey> {
  const application = azure.createApplication();
  const secret = await file('azure-secret', `${application.secret}\n`);
  return (kind = 'RSA-HSM') => {
    const key = azure.createKey({ kty: kind as KeyType });
    azure.grant(application.objectId, key.name, azureRights);
    return {
      provider: 'azure_kv',
      block:
        `{ vault_url: "${azure.vaultUrl}", key_name: ${key.name}, tenant: ${application.tenant}, ` +
        `client_id: ${application.clientId}, credential: client_secret_file, client_secret_file: "${secret}" }`,
      disable: () => key.setEnabled(false),
      enable: () => key.setEnabled(true),
      remove: () => key.delete(),
      silence: () => remover(azure.faults.add({ service: 'vault', key: key.name, fault: silence })),
    };
  };
}

async function gcpKeys(gcp: GcpSimulator, file: WriteFile): Promise<MakeKey> {
  const account = gcp.createServiceAccount();
  const path = await file('gcp-account.json', JSON.stringify(account.keyFile()));
  return (kind = 'GOOGLE_SYMMETRIC_ENCRYPTION') => {
    const key = gcp.createKey({ algorithm: kind as Algorithm });
    gcp.grant(account.email, key.name, 'roles/cloudkms.cryptoKeyEncrypterDecrypter', 'roles/cloudkms.viewer');
    return {
      provider: 'gcp_kms',
      block:
        `{ key_name: ${key.name}, endpoint: "${gcp.endpoint}", credential: service_account_file, ` +
        `service_account_file: "${path}" }`,
      disable: () => key.disable(),
      enable: () => key.enable(),
      remove: () => key.scheduleDestruction(),
      silence: () => remover(gcp.faults.add({ service: 'kms', key: key.name, fault: silence })),
    };
  };
}

async function vaultKeys(vault: VaultSimulator, file: WriteFile): Promise<MakeKey> {
  vault.createNamespace('acme');
  vault.mountTransit('keys/transit', 'acme');
  const ca = await file('vault-ca.pem', vault.ca);
  let made = 0;
  const secretIds: Promise<string>[] = [];
  const roles = Array.from({ length: 16 }, (_, index) => {
    const role = vault.approle({ namespace: 'acme', name: `keyproxy-${index}`, policies: [`keyproxy-${index}`] });
    secretIds.push(file(`vault-secret-id-${index}`, role.newSecretId()));
    return role;
  });
  const paths = await Promise.all(secretIds);
  return (kind = 'aes256-gcm96') => {
    const index = made++ % roles.length;
    const key = vault.createKey({ type: kind as VaultKeyType, mount: 'keys/transit', namespace: 'acme' });
    const allow = (rights: boolean) => {
      const path = (verb: string) => `keys/transit/${verb}/${key.name}`;
      const rules = { [path('encrypt')]: ['update'], [path('decrypt')]: ['update'], [path('keys')]: ['read'] } as const;
      vault.createPolicy(`keyproxy-${index}`, rights ? rules : {}, 'acme');
    };
    allow(true);
    return {
      provider: 'vault',
      block:
        `{ address: "${vault.address}", mount: keys/transit, namespace: acme, key_name: ${key.name}, ca_file: "${ca}", ` +
        `auth: { method: approle, role_id: ${roles[index]?.roleId}, secret_id_file: "${paths[index]}" } }`,
      disable: () => allow(false),
      enable: () => allow(true),
      remove: () => {
        key.config({ deletion_allowed: true });
        key.delete();
      },
      silence: () => remover(vault.faults.add({ key: key.name, fault: silence })),
    };
  };
}
