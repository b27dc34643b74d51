/**
 * A daemon with every kind of input that can carry a secret, each of which carries a marker: four clouds and a local key,
 * tokens and certificates, a policy, the audit log in a file, state on disk, the log at its finest level.
 */
import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SimulatedKey } from '../simulators/aws/simulated-key.ts';
import { awsTenant, customerRole } from './aws-tenant.ts';
import { type CloudKey, type Clouds, startClouds } from './clouds.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { type DaemonFolder, daemonFolder, localTenant } from './daemon-folder.ts';
import { bytesMarker, type Marker, textMarker } from './leak-forms.ts';
import { type Collector, startCollector } from './otlp-collector.ts';
import { type Authority, makeRoot, type Svid, workload } from './svids.ts';
import { startTokenIssuer, type TokenIssuer } from './token-issuer.ts';

/** What is sent by callers, by the input that carries it. */
export const sent = {
  plaintext: bytesMarker('plaintext'),
  associatedData: bytesMarker('associated data'),
  contextValue: textMarker('context-value'),
  ciphertext: bytesMarker('bytes in place of a ciphertext'),
  wrappedDek: bytesMarker('bytes in place of a wrapped DEK'),
  header: textMarker('header'),
  timeout: textMarker('grpc-timeout'),
  encoding: textMarker('grpc-encoding'),
  authorization: textMarker('authorization'),
  tenant: textMarker('tenant'),
  method: textMarker('method'),
  service: textMarker('service'),
  malformed: textMarker('malformed'),
  http: textMarker('http'),
  tokenHead: textMarker('token-head'),
  tokenClaim: textMarker('token-claim'),
  tokenSignature: textMarker('token-signature'),
  misplaced: textMarker('misplaced'),
  providerText: textMarker('words-of-the-provider'),
  keyFile: bytesMarker('a key file of the wrong size'),
} as const;

export interface LeakScene extends AsyncDisposable {
  readonly clouds: Clouds;
  readonly issuer: TokenIssuer;
  /** Takes the traces of all calls. */
  readonly collector: Collector;
  readonly root: Authority;
  readonly client: Svid;
  readonly folder: DaemonFolder;
  readonly daemon: Daemon;
  /** A tenant's key in the simulated AWS. */
  awsKey(tenant: string): SimulatedKey;
  /** What must be nowhere; what callers are handed out is added to it. */
  readonly markers: Marker[];
}

/** Long enough for a busy machine. */
const once = '  limits: { kms_timeout_ms: 10000 }';
/** Tenants in the simulated AWS, each with lines under `encryption`. */
const awsTenants = {
  well: '  cache_config: { warm_start: true }',
  unclear: once,
  silent: once,
  throttled: '  limits: { kms_timeout_ms: 500 }',
  stale: once,
  aloud: once,
  unknown: once,
  hanging: '  limits: { kms_timeout_ms: 60000 }',
  budget: '  limits: { kms_calls_per_second: 1, kms_timeout_ms: 500 }\n  cache_config: { ttl_seconds: 0 }',
  disabled: once,
  deleted: once,
  gone: once,
} as const;

/** Tenants of other key services, and one that there is not. */
const others = ['local', 'busy', 'misconfigured', 'fenced', 'unsuitable', 'role', 'nobody'];
const clouds = ['azure_kv', 'gcp_kms', 'vault'] as const;
/** One that no caller may use. */
const denied = 'not-for-callers';

const policy = `
rules:
  - callers: [socket, "${workload}", "system:serviceaccount:shop:*"]
    tenants: [${[...Object.keys(awsTenants), ...others, ...clouds].join(', ')}]
    operations: ["*"]
`;

const daemonFile = (all: Clouds, issuer: TokenIssuer, collector: Collector) => `
environment: test
listen:
  - { unix: keyproxy.sock, mode: "0600", identity: [socket, token] }
  - { unix: grpc-js.sock, mode: "0600", identity: [socket, token], transport: grpc-js }
  - { tcp: "127.0.0.1:50051", identity: [mtls, token] }
http: { address: "127.0.0.1:9464" }
tenants: { directory: tenants }
policy: policy.yaml
allow_local: true
identity:
  token: { issuer: "${issuer.name}", jwks_uri: "${issuer.jwksUri}", token_file: own-token }
  mtls: { cert: tls.crt, key: tls.key, ca: ca.crt, trust_domain: example.org }
audit: { path: audit.jsonl }
state: { directory: state }
segregation:
  test: { approval_required: false }
  fenced: { key_prefix: "prod-" }
limits: { calls_per_second: 100 }
tracing: { endpoint: "${collector.endpoint}", sample_ratio: 1 }
${all.daemonFile}`;

/** Starts it. */
export async function leakScene(): Promise<LeakScene> {
  await using stack = new AsyncDisposableStack();
  const all = stack.use(await startClouds());
  const ownToken = textMarker('own-service-account-token');
  const issuer = stack.use(await startTokenIssuer({ bearer: ownToken.text }));
  const collector = stack.use(await startCollector());
  const root = makeRoot();
  const keys = new Map<string, SimulatedKey>();
  const cloudKeys = clouds.map((provider) => all.make[provider]());
  const folder = stack.use(await daemonFolder({ policy, tenants: tenantFiles(all, keys, cloudKeys) }));
  const server = root.issue({ dns: ['localhost'] });
  const client = root.issue();
  await folder.write('tls.crt', server.cert);
  await folder.write('tls.key', server.key);
  await folder.write('ca.crt', root.pem);
  await folder.write('own-token', ownToken.text);
  await folder.write('short.key', sent.keyFile.text);
  await folder.write('keyproxy.yaml', daemonFile(all, issuer, collector));
  const session = platformSession(all);
  const daemon = stack.use(await startDaemon({ ...folder.start, env: { ...all.env, ...session.env } }));
  const markers = [
    ...Object.values(sent),
    ...session.markers,
    ownToken,
    bytesMarker("the daemon's TLS key", scalarOf(server.key)),
    bytesMarker("a client's TLS key", scalarOf(client.key)),
    bytesMarker("the local provider's key", await readFile(join(folder.path, 'cmk.key'))),
    ...(await Promise.all(cloudKeys.map(credentialOf))),
  ];
  const started = stack.move();
  return {
    ...{ clouds: all, issuer, collector, root, client, folder, daemon, markers },
    awsKey(tenant) {
      const key = keys.get(tenant);
      if (key === undefined) throw new Error(`there is no tenant ${tenant}`);
      return key;
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

function tenantFiles({ aws }: Clouds, keys: Map<string, SimulatedKey>, cloudKeys: readonly CloudKey[]) {
  const file = (id: string, more: string, options: Parameters<typeof aws.createKey>[0] = {}) => {
    const key = aws.createKey(options);
    keys.set(id, key);
    return awsTenant(aws, { id, keyArn: key.arn, more });
  };
  const role = customerRole(aws, 'refusing', 'another-external-id');
  const behindRole = { arn: role.arn, externalId: 'keyproxy-1' };
  const files: Record<string, string> = {
    local: localTenant('local'),
    busy: localTenant('busy'),
    misconfigured: localTenant('misconfigured', { keyFile: '../short.key' }),
    fenced: `${localTenant('fenced')}\nenvironment: fenced\n`,
    unsuitable: file('unsuitable', '', { spec: 'ECC_NIST_P256' }),
    role: awsTenant(aws, { id: 'role', keyArn: aws.createKey().arn, role: behindRole }),
    [denied]: localTenant(denied),
  };
  for (const [id, more] of Object.entries(awsTenants)) files[id] = file(id, more);
  for (const { provider, block } of cloudKeys) {
    files[provider] =
      `customer: ${provider}\ntenant_id: ${provider}\nencryption:\n  provider: ${provider}\n  ${provider}: ${block}\n`;
  }
  return Object.fromEntries(Object.entries(files).map(([id, text]) => [`${id}.yaml`, text]));
}

/** The daemon's own identity at AWS is a session, so that there is a session token. */
function platformSession({ aws }: Clouds) {
  const role = aws.createRole({ name: 'platform', trust: aws.trustFor({ principal: aws.platform.arn }) });
  const { accessKeyId, secretAccessKey, sessionToken } = role.session({ name: 'daemon', seconds: 3600 });
  const text = (name: string, secret: string) => bytesMarker(name, Buffer.from(secret));
  return {
    env: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken },
    markers: [text("AWS's secret key", secretAccessKey), text("AWS's session token", sessionToken)],
  };
}

/** The private number of a key of an elliptic curve. */
function scalarOf(pem: string): Buffer {
  return Buffer.from(createPrivateKey(pem).export({ format: 'jwk' }).d ?? '', 'base64url');
}

/** What keyproxy logs in with, as it stands in the file that a tenant's block names. */
async function credentialOf({ provider, block }: CloudKey): Promise<Marker> {
  const [, path = ''] = /(?:secret_file|account_file|secret_id_file): "([^"]+)"/.exec(block) ?? [];
  const text = await readFile(path, 'utf8');
  const name = `the credential of ${provider}`;
  if (provider !== 'gcp_kms') return bytesMarker(name, Buffer.from(text.trim()));
  const { private_key: pem } = JSON.parse(text) as { private_key: string };
  return bytesMarker(name, scalarOf(pem));
}
