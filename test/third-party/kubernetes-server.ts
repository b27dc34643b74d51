/**
 * An API server of Kubernetes with its etcd, both on loopback, for as long as a test needs them. There are no nodes and
 * no controllers: what is created stays as admission left it, which is what the tests look at.
 */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeAuthority } from '../support/certificates.ts';
import { freePort, temporaryFolder } from '../support/daemon.ts';
import { type ApiServer, KubernetesClient } from './kubernetes-client.ts';
import { startServer } from './server-process.ts';

export interface Cluster extends AsyncDisposable {
  readonly server: ApiServer;
  /** A file with the authority of the API server's certificate, PEM. */
  readonly caFile: string;
  /** Calls as a member of `system:masters`. */
  readonly admin: KubernetesClient;
  /** Calls as the service account, with a token that the API server made. */
  as(account: Account): Promise<KubernetesClient>;
  /** A token from the TokenRequest API, good for an hour; for the API server itself unless an audience is named. */
  tokenOf(account: Account, audience?: string): Promise<string>;
}

/** A service account. */
export interface Account {
  readonly namespace: string;
  readonly name: string;
  /** The pod that its token is for, as the kubelet asks for projected tokens; for none in particular unless named. */
  readonly pod?: string;
}

/** The `iss` of tokens, as clusters made by kubeadm have it. */
export const issuer = 'https://kubernetes.default.svc.cluster.local';

/** Starts both from the folder that they were installed in. */
export async function startCluster(installed: string): Promise<Cluster> {
  await using stack = new AsyncDisposableStack();
  const place = stack.use(await temporaryFolder());
  const etcd = stack.use(await startEtcd(installed, place.path));
  const port = await freePort();
  const token = randomUUID();
  const ca = await writeCredentials(place.path, token);
  const server: ApiServer = { origin: `https://127.0.0.1:${port}`, ca };
  const admin = stack.use(new KubernetesClient(server, token));
  stack.use(
    await startServer({
      program: join(installed, 'kube-apiserver'),
      args: flags({ place: place.path, etcd: etcd.endpoint, port }),
      cwd: place.path,
      endpoint: server.origin,
      readyPath: async () => (await admin.ask('GET', '/readyz')).status === 200,
    }),
  );
  const tokenOf = async ({ namespace, name, pod }: Account, audience?: string): Promise<string> => {
    const spec = {
      expirationSeconds: 3600,
      ...(audience !== undefined && { audiences: [audience] }),
      ...(pod !== undefined && { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod } }),
    };
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const made = await admin.must('POST', path, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec });
    return String(made['status'].token);
  };
  const moved = stack.move();
  return {
    server,
    caFile: join(place.path, 'ca.pem'),
    admin,
    tokenOf,
    as: async (account) => moved.use(new KubernetesClient(server, await tokenOf(account))),
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** Data that nobody needs tomorrow, so nothing waits for the disk. */
async function startEtcd(installed: string, place: string) {
  const [client, peer] = [await freePort(), await freePort()].map((port) => `http://127.0.0.1:${port}`);
  const endpoint = String(client);
  return startServer({
    // The package's last part is its version, so its program has the name of the part before.
    program: join(installed, 'server'),
    args: [
      `--data-dir=${join(place, 'etcd')}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      '--unsafe-no-fsync',
    ],
    cwd: place,
    endpoint,
    readyPath: '/health',
  });
}

/** Writes what the API server is started with; returns the authority of its certificate. */
async function writeCredentials(place: string, token: string): Promise<string> {
  const authority = await makeAuthority();
  const { key, cert } = await authority.issue();
  const signing = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const secret = { mode: 0o600 };
  await writeFile(join(place, 'tls.key'), key, secret);
  await writeFile(join(place, 'tls.crt'), cert);
  await writeFile(join(place, 'ca.pem'), authority.ca);
  await writeFile(join(place, 'sa.key'), signing.privateKey.export({ type: 'pkcs8', format: 'pem' }), secret);
  await writeFile(join(place, 'sa.pub'), signing.publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(join(place, 'tokens.csv'), `${token},admin,admin,"system:masters"\n`, secret);
  return authority.ca;
}

/** What has no default, and privileged pods as every cluster has them; admission is as the API server comes. */
function flags({ place, etcd, port }: { place: string; etcd: string; port: number }): string[] {
  const file = (name: string) => join(place, name);
  return [
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    // No address of this machine: nobody is told it.
    '--advertise-address=192.0.2.1',
    '--endpoint-reconciler-type=none',
    `--etcd-servers=${etcd}`,
    `--tls-cert-file=${file('tls.crt')}`,
    `--tls-private-key-file=${file('tls.key')}`,
    `--token-auth-file=${file('tokens.csv')}`,
    '--authorization-mode=RBAC',
    `--service-account-issuer=${issuer}`,
    `--service-account-key-file=${file('sa.pub')}`,
    `--service-account-signing-key-file=${file('sa.key')}`,
    '--service-cluster-ip-range=10.0.0.0/24',
    '--allow-privileged=true',
  ];
}
