/** A KMS plugin as a process of its own, and kube-apiserver's side of it by the upstream proto and grpc-js. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import { createLocalKeyFile } from '../../src/kms/local/key-file.ts';
import type { AwsSimulator } from '../simulators/aws/server.ts';
import { awsTenant } from './aws-tenant.ts';
import { type Daemon, freePort, startDaemon } from './daemon.ts';

const definition = loadSync('k8s.io/kms/apis/v2/api.proto', {
  includeDirs: [resolve(import.meta.dirname, '../../proto')],
  keepCase: true,
  defaults: true,
});

type Method = MethodDefinition<object, object>;

export interface Status {
  readonly version: string;
  readonly healthz: string;
  readonly key_id: string;
}

export interface Encrypted {
  readonly ciphertext: Buffer;
  readonly key_id: string;
  readonly annotations: Readonly<Record<string, Buffer>>;
}

export interface KmsClient extends Disposable {
  status(): Promise<Status>;
  encrypt(plaintext: Buffer): Promise<Encrypted>;
  decrypt(encrypted: Encrypted): Promise<Buffer>;
  /** The error that a call must end with. */
  refused(call: Promise<unknown>): Promise<ServiceError>;
  /** Asks for the status until it is as it should be, for ten seconds. */
  until(isIt: (status: Status) => boolean): Promise<Status>;
}

/** Connects to the socket of a plugin, as kube-apiserver does. */
export function connectKms(target: string): KmsClient {
  const client = new Client(target, credentials.createInsecure(), { 'grpc.default_authority': 'localhost' });
  const methods = definition['v2.KeyManagementService'] as unknown as Readonly<Record<string, Method>>;
  const call = <T>(name: string, request: object) =>
    new Promise<T>((done, fail) => {
      const method = methods[name];
      if (method === undefined) throw new Error(`the service has no method ${name}`);
      const { path, requestSerialize, responseDeserialize } = method;
      const deadline = Date.now() + 15_000;
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, { deadline }, (error, answer) =>
        error === null ? done(answer as T) : fail(error),
      );
    });
  const uid = 'b2f4ad1e-5c7e-4a11-9d63-0f2a4c0f7e11';
  const kms: KmsClient = {
    status: () => call('Status', {}),
    encrypt: (plaintext) => call('Encrypt', { plaintext, uid }),
    decrypt: async (encrypted) => (await call<{ plaintext: Buffer }>('Decrypt', { ...encrypted, uid })).plaintext,
    refused: (made) =>
      made.then(
        () => {
          throw new Error('a call succeeded that was to be refused');
        },
        (error: ServiceError) => error,
      ),
    async until(isIt) {
      const deadline = Date.now() + 10_000;
      for (;;) {
        const status = await kms.status();
        if (isIt(status)) return status;
        if (Date.now() > deadline) throw new Error(`the status stayed ${JSON.stringify(status)}`);
        await new Promise((done) => setTimeout(done, 50));
      }
    },
    [Symbol.dispose]: () => client.close(),
  };
  return kms;
}

/** A control-plane node: a folder with the plugin's file, the tenant's, and the state. */
export interface KmsNode {
  readonly path: string;
  /** Replaces the tenant's file. */
  tenant(text: string): Promise<void>;
  start(env?: Readonly<Record<string, string>>): Promise<Daemon>;
}

/** Makes one under `root`; `more` is added to the plugin's file. */
export async function kmsNode(
  root: string,
  options: { readonly tenant: string; readonly more?: string },
): Promise<KmsNode> {
  const path = await mkdtemp(join(root, 'node-'));
  const httpPort = await freePort();
  const file = (name: string, text: string) => writeFile(join(path, name), text, { mode: 0o600 });
  await file('byok_config.yaml', options.tenant);
  await file(
    'kms-plugin.yaml',
    `
listen: kms.sock
tenant: byok_config.yaml
state: state
http: { address: "127.0.0.1:${httpPort}" }
health: { interval_seconds: 5 }
allow_local: true
${options.more ?? ''}
`,
  );
  return {
    path,
    tenant: (text) => file('byok_config.yaml', text),
    start: (env = {}) =>
      startDaemon({
        ...{ command: 'kms-plugin', args: ['--config', 'kms-plugin.yaml'] },
        ...{ cwd: path, socket: 'kms.sock', httpPort, env },
      }),
  };
}

/** Makes key files under `root` and returns a tenant's file for the key of each name. */
export async function localClusterKeys(root: string, names: readonly string[]): Promise<Map<string, string>> {
  const files = names.map(async (name) => {
    const keyFile = join(root, `${name}.key`);
    await createLocalKeyFile(keyFile);
    return [name, clusterTenant(name, keyFile)] as const;
  });
  return new Map(await Promise.all(files));
}

/** The tenant's file of a cluster whose key is in a file; `more` goes under `encryption`. */
export function clusterTenant(keyName: string, keyFile: string, more = ''): string {
  return `
customer: cluster
tenant_id: cluster-1
encryption:
  provider: local
  local: { key_name: ${keyName}, key_file: ${keyFile} }
${more}
`;
}

/** A node of a cluster whose key is in the simulated AWS, and the environment that its plugin needs. */
export async function awsKmsNode(
  root: string,
  aws: AwsSimulator,
  keyArn: string,
): Promise<{ place: KmsNode; env: Readonly<Record<string, string>> }> {
  const tenant = awsTenant(aws, { id: 'cluster-1', keyArn, more: '  canary: { interval_seconds: 10 }' });
  const place = await kmsNode(root, { tenant, more: `trusted_endpoints: ["${aws.endpoint}"]` });
  const { accessKeyId, secretAccessKey } = aws.platform;
  const env = {
    ...{ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: '' },
    ...{ AWS_REGION: 'us-east-1', AWS_EC2_METADATA_DISABLED: 'true' },
  };
  return { place, env };
}

/** A folder whose path is short enough for a socket in it. */
export function shortFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'kms-'));
}
