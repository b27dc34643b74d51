/** The node daemon as the chart configures it, with a real API server as the issuer of its callers' tokens. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createLocalKeyFile } from '../../src/kms/local/key-file.ts';
import { connect } from '../support/client.ts';
import { toldBy } from '../support/client-errors.ts';
import { startDaemon, temporaryFolder } from '../support/daemon.ts';
import { localTenant } from '../support/daemon-folder.ts';
import { objectOf, renderGood } from './helm/chart.ts';
import { makeNamespace } from './kubernetes-scene.ts';
import { type Cluster, startCluster } from './kubernetes-server.ts';
import { folderOf } from './ready.ts';

const helm = folderOf('helm') ?? '';
const kubernetes = folderOf('kubernetes') ?? '';

/** The account that the chart makes; it is bound to no role. */
const own = { namespace: 'keyproxy', name: 'keyproxy-node' };
const orders = { namespace: 'shop', name: 'orders' };
const billing = { namespace: 'shop', name: 'billing' };

/** Folders of the pod → where they are in this test. */
const folders = {
  '/run/keyproxy': 'run',
  '/etc/keyproxy/config': 'config',
  '/etc/keyproxy/tenants': 'tenants',
  '/var/lib/keyproxy': 'state',
  '/var/run/secrets/keyproxy/api': 'api',
};

/** Puts into `place` what the pod's volumes have. */
async function writeVolumes(place: string, cluster: Cluster): Promise<void> {
  const { objects } = await renderGood(helm, {
    values: 'node',
    set: {
      'node.config': { allow_local: true },
      'node.tenants': { 'acme.yaml': parse(localTenant('acme')) },
    },
  });
  const filesOf = (name: string) => objectOf(objects, 'ConfigMap', name)['data'] as Record<string, string>;
  const files: Record<string, string> = { 'api/token': await cluster.tokenOf(own), 'api/ca.crt': cluster.server.ca };
  for (const [name, text] of Object.entries(filesOf('keyproxy-node'))) {
    const moved = Object.entries(folders).reduce((all, [from, to]) => all.replaceAll(from, join(place, to)), text);
    files[`config/${name}`] = moved.replace(
      'jwks_uri: https://kubernetes.default.svc/',
      `jwks_uri: ${cluster.server.origin}/`,
    );
  }
  for (const [name, text] of Object.entries(filesOf('keyproxy-node-tenants'))) files[`tenants/${name}`] = text;
  for (const folder of Object.values(folders)) await mkdir(join(place, folder));
  for (const [name, text] of Object.entries(files)) await writeFile(join(place, name), text, { mode: 0o600 });
  await createLocalKeyFile(join(place, 'cmk.key'));
}

describe.skipIf(helm === '' || kubernetes === '')('a node daemon of the chart', () => {
  it('serves who has a token of the cluster for keyproxy and a rule in the policy, and nobody else', async () => {
    await using cluster = await startCluster(kubernetes);
    for (const namespace of [own.namespace, orders.namespace]) await makeNamespace(cluster.admin, namespace);
    for (const { namespace, name } of [own, orders, billing]) {
      await cluster.admin.must('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } });
    }
    await using place = await temporaryFolder();
    await writeVolumes(place.path, cluster);
    await using daemon = await startDaemon({
      ...{ args: ['--config', join(place.path, 'config/daemon.yaml')], cwd: place.path },
      socket: 'run/keyproxy.sock',
      // Tests' daemons have a listener by TCP beside their file.
      env: { KEYPROXY_LISTEN_TCP_IDENTITY: 'token' },
    });
    const plaintext = Buffer.from('{"order":17}');
    const attempt = async (token?: string) => {
      using client = connect(daemon.socket, token === undefined ? {} : { authorization: `Bearer ${token}` });
      const answer = client.call('Encrypt', { tenant_id: 'acme', plaintext });
      return await answer.then(
        () => 'served',
        (error) => toldBy(error).reason,
      );
    };
    expect(await attempt(await cluster.tokenOf(orders, 'keyproxy'))).toBe('served');
    expect(await attempt(await cluster.tokenOf(billing, 'keyproxy'))).toBe('ACCESS_DENIED');
    // The token that every pod has, which is for the API server.
    expect(await attempt(await cluster.tokenOf(orders))).toBe('CALLER_UNAUTHENTICATED');
    expect(await attempt()).toBe('CALLER_UNAUTHENTICATED');
  }, 120_000);
});
