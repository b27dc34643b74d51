/** A daemon with one customer, as operators start it: hardened by itself, with a policy and the whole audit log. */
import { readFile, rm } from 'node:fs/promises';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { DecryptCommand, KMSClient } from '@aws-sdk/client-kms';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import type { EncryptionContext } from '../../src/base/encryption-context.ts';
import { openLocalKey } from '../../src/kms/local/open.ts';
import { startAwsSimulator } from '../simulators/aws/server.ts';
import { awsFolder, startAwsDaemon } from './aws-tenant.ts';
import { makeAuthority } from './certificates.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { type DaemonFolder, daemonFolder, localTenant } from './daemon-folder.ts';

/** Whose key service. */
export type WipingProvider = 'aws' | 'local';

export interface WipingWorld extends AsyncDisposable {
  readonly daemon: Daemon;
  /** The customer says no: to the key where its service can, and else by taking the tenant away. */
  refuse(): Promise<void>;
  /** Answers of the key service so far that held a data key; none of them in the daemon's process where it is local. */
  answers(): number;
  /** What an entry holds, asked of the key itself and not by way of the daemon. */
  open(entry: EncryptedDataKey, context: EncryptionContext): Promise<Buffer>;
}

/** The customer's tenant. */
export const tenant_id = 'acme';

const settings = `
  cache_config: { ttl_seconds: 604800 }
  canary: { interval_seconds: 10 }
  limits: { kms_calls_per_second: 1000 }`;
const quiet = { KEYPROXY_LOG_LEVEL: 'fatal' };
const hardening = 'by itself';

/** Starts it. */
export function wipingWorld(provider: WipingProvider, transport: 'native' | 'grpc-js'): Promise<WipingWorld> {
  return provider === 'aws' ? awsWorld(transport) : localWorld(transport);
}

async function awsWorld(transport: string): Promise<WipingWorld> {
  await using stack = new AsyncDisposableStack();
  const authority = await makeAuthority();
  const aws = stack.use(await startAwsSimulator({ tls: await authority.issue() }));
  const key = aws.createKey();
  const { accessKeyId, secretAccessKey } = aws.createUser({ name: 'witness' });
  const client = new KMSClient({
    ...{ endpoint: aws.endpoint, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey } },
    requestHandler: { httpsAgent: new Agent({ ca: authority.ca }) },
  });
  stack.defer(() => client.destroy());
  const folder = stack.use(await awsFolder(aws, [{ id: tenant_id, keyArn: key.arn, more: settings }]));
  await finish(folder, transport);
  await folder.write('ca.pem', authority.ca);
  const trust = { NODE_EXTRA_CA_CERTS: join(folder.path, 'ca.pem') };
  const daemon = stack.use(await startAwsDaemon(aws, folder, { ...quiet, ...trust }, { hardening }));
  const started = stack.move();
  return {
    daemon,
    refuse: async () => key.disable(),
    answers() {
      const whose = { outcome: 'ok', principalArn: aws.platform.arn };
      return aws.count('GenerateDataKey', whose) + aws.count('Decrypt', whose);
    },
    async open({ ciphertext }, context) {
      const pairs = Object.fromEntries(context.pairs);
      const command = new DecryptCommand({ KeyId: key.arn, CiphertextBlob: ciphertext, EncryptionContext: pairs });
      const { Plaintext = new Uint8Array() } = await client.send(command);
      return Buffer.from(Plaintext);
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

async function localWorld(transport: string): Promise<WipingWorld> {
  await using stack = new AsyncDisposableStack();
  const tenants = { 'acme.yaml': localTenant(tenant_id, { more: settings }) };
  const folder = stack.use(await daemonFolder({ extra: 'allow_local: true', tenants }));
  const keyFile = join(folder.path, 'cmk.key');
  const key = stack.use(await openLocalKey({ provider: 'local', keyName: `key-of-${tenant_id}`, keyFile }));
  await finish(folder, transport);
  const daemon = stack.use(await startDaemon({ ...folder.start, env: quiet, hardening }));
  const { signal } = new AbortController();
  const started = stack.move();
  return {
    daemon,
    refuse: () => rm(join(folder.tenants, 'acme.yaml')),
    answers: () => 0,
    async open(entry, context) {
      using plaintext = await key.unwrap({ entry, context, signal });
      return Buffer.from(plaintext.reveal());
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

async function finish(folder: DaemonFolder, transport: string): Promise<void> {
  const file = await readFile(join(folder.path, 'keyproxy.yaml'), 'utf8');
  const listener = file.replace('mode: "0600"', `mode: "0600", transport: ${transport}`);
  await folder.write('keyproxy.yaml', `${listener}\naudit: { path: audit.jsonl }\n`);
}
