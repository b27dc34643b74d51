/** A daemon that knows its callers by tokens which a real API server has made, and by the keys that it publishes. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../support/client.ts';
import { toldBy } from '../support/client-errors.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { type DaemonFolder, daemonFolder, localTenant } from '../support/daemon-folder.ts';
import { createPod, makeNamespace } from './kubernetes-scene.ts';
import { type Account, type Cluster, issuer, startCluster } from './kubernetes-server.ts';
import { folderOf } from './ready.ts';

const folder = folderOf('kubernetes');
const caller: Account = { namespace: 'shop', name: 'orders' };
const audience = 'keyproxy';
const plaintext = Buffer.from('{"order":17}');

const policy = `
rules:
  - { callers: ["system:serviceaccount:shop:orders"], tenants: [a], operations: [encrypt, decrypt] }
`;

/** As docs/access.md has it, with the files of a pod in the daemon's folder. */
const daemonFile = (origin: string) => `
environment: test
listen:
  - { unix: keyproxy.sock, mode: "0600", identity: token }
  - { tcp: "127.0.0.1:50051", identity: token }
http: { address: "127.0.0.1:9464" }
tenants: { directory: tenants }
policy: policy.yaml
allow_local: true
identity:
  token: { issuer: "${issuer}", jwks_uri: "${origin}/openid/v1/jwks", ca_file: ca.crt, token_file: own-token }
audit: { path: audit.jsonl }
`;

describe.skipIf(folder === undefined)('a daemon whose callers show tokens of a real API server', () => {
  const stack = new AsyncDisposableStack();
  let cluster: Cluster;
  let place: DaemonFolder;
  let daemon: Daemon;
  beforeAll(async () => {
    cluster = stack.use(await startCluster(folder ?? ''));
    const { admin, server } = cluster;
    await makeNamespace(admin, 'shop');
    await makeNamespace(admin, 'keyproxy');
    await admin.must('POST', '/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: 'orders' } });
    place = stack.use(await daemonFolder({ policy, tenants: { 'a.yaml': localTenant('a') } }));
    await place.write('keyproxy.yaml', daemonFile(server.origin));
    await place.write('ca.crt', server.ca);
    await place.write('own-token', await cluster.tokenOf({ namespace: 'keyproxy', name: 'default' }));
    daemon = stack.use(await startDaemon(place.start));
  });
  afterAll(() => stack.disposeAsync());

  const as = (token: string) =>
    connect(daemon.socket, { 'keyproxy-request': 'true', authorization: `Bearer ${token}` });

  /** Puts a pod of the caller into the cluster; its name. */
  const makePod = async (name: string) => {
    const spec = { serviceAccountName: caller.name, containers: [{ name: 'app', image: 'app:1' }] };
    expect((await createPod(cluster.admin, caller.namespace, { metadata: { name }, spec })).message).toBe('');
    return name;
  };

  it('knows the service account of a projected token, and writes it into the audit', async () => {
    using client = as(await cluster.tokenOf({ ...caller, pod: await makePod('projected') }, audience));
    const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', { tenant_id: 'a', plaintext });
    const opened = await client.call<{ plaintext: Buffer }>('Decrypt', { tenant_id: 'a', ciphertext });
    expect(opened.plaintext).toEqual(plaintext);
    expect(await readFile(join(place.path, 'audit.jsonl'), 'utf8')).toContain('system:serviceaccount:shop:orders');
  });

  it.each([undefined, 'vault', 'https://kubernetes.default.svc'])(
    'refuses a token for the audience %s',
    async (other) => {
      using client = as(await cluster.tokenOf(caller, other));
      expect(toldBy(await client.error('Encrypt', { tenant_id: 'a', plaintext })).reason).toBe(
        'CALLER_UNAUTHENTICATED',
      );
    },
  );

  it('lets another service account do nothing', async () => {
    using client = as(await cluster.tokenOf({ namespace: 'shop', name: 'default' }, audience));
    expect(toldBy(await client.error('Encrypt', { tenant_id: 'a', plaintext })).reason).toBe('ACCESS_DENIED');
  });

  it('serves the pod that was deleted until its token is over, which the API server would not', async () => {
    const pod = await makePod('deleted');
    const token = await cluster.tokenOf({ ...caller, pod }, audience);
    await cluster.admin.must('DELETE', `/api/v1/namespaces/shop/pods/${pod}`, { gracePeriodSeconds: 0 });
    const review = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [audience] },
    };
    const { status } = (await cluster.admin.must('POST', '/apis/authentication.k8s.io/v1/tokenreviews', review)) as {
      readonly status?: unknown;
    };
    expect(status).not.toMatchObject({ authenticated: true });
    using client = as(token);
    await client.call('Encrypt', { tenant_id: 'a', plaintext });
  });
});
