/** The injector's own certificates in a real API server: a rotation, and a replica's end, while pods are created. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authorityName, type Issued, issueLeaf, makeAuthority } from '../../src/app/injector/authority.ts';
import { checks, create, host, release as names, registrations } from './kubernetes-chart.ts';
import type { KubernetesClient } from './kubernetes-client.ts';
import { openRelease, plainPod, type Release } from './kubernetes-release.ts';
import { createPod, outcomeOf, until } from './kubernetes-scene.ts';
import { startPods } from './pod-stream.ts';
import { folderOf } from './ready.ts';

const folder = folderOf('kubernetes');
const [minuteMs, dayMs] = [60_000, 86_400_000];
const secret = `/api/v1/namespaces/${names.namespace}/secrets/keyproxy-injector-tls`;
const hosts = [host, `${names.name}.${names.namespace}`, `${host}.cluster.local`];
/** Three looks of every replica at what the others have done, one every ten seconds, and what a busy machine adds. */
const rotationMs = 90_000;

/** As the Secret has them, base64 and all. */
function entries(name: string, { cert, key }: Issued): Record<string, string> {
  const files = { [`${name}.crt`]: Buffer.from(cert), [`${name}.key`]: key };
  return Object.fromEntries(Object.entries(files).map(([file, bytes]) => [file, bytes.toString('base64')]));
}

/** Whose certificate a port shows. */
async function issuerAt(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', servername: host, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { issuer } = socket.getPeerCertificate();
  socket.destroy();
  return String(issuer.CN);
}

/** Leaves the replicas an authority that is old, as it is after nine months. */
async function leaveOldAuthority(admin: KubernetesClient): Promise<void> {
  const authority = await makeAuthority(Date.now() - 300 * dayMs);
  const leaf = await issueLeaf(authority, { hosts, now: Date.now() });
  const data = { ...entries('ca', authority), ...entries('tls', leaf) };
  await admin.must('PATCH', secret, { data });
}

describe.skipIf(folder === undefined)('replicas of the injector with certificates of their own', () => {
  const stack = new AsyncDisposableStack();
  let release: Release;
  let admin: KubernetesClient;
  beforeAll(async () => {
    release = stack.use(await openRelease(folder ?? '', { before: ({ admin }) => leaveOldAuthority(admin) }));
    admin = release.cluster.admin;
  });
  afterAll(() => stack.disposeAsync());

  it('change their authority, and then one of them ends, and every pod is injected', { timeout: 240_000 }, async () => {
    const { injectors, balancer } = release;
    const issuers = () => Promise.all(injectors.map(({ port }) => issuerAt(port)));
    // What came before this may not have come to both yet.
    await until('both serve by one authority', async () => new Set(await issuers()).size === 1, rotationMs);
    const before = await issuerAt(injectors[0].port);
    // Without idle connections every batch of pods meets the certificate of the moment.
    const during = startPods(admin, 'apps', () => balancer.cut());
    // The next authority is there since the start; here it becomes one that has been known for long enough.
    const next = await makeAuthority(Date.now() - 20 * minuteMs);
    await until('the next authority is in the Secret', async () => {
      const kept = await admin.must('GET', secret);
      const data = { ...kept['data'], ...entries('next-ca', next) };
      return (await admin.ask('PUT', secret, { ...kept, data })).status === 200;
    });
    const isChanged = async () =>
      (await issuers()).every((issuer) => issuer.startsWith(authorityName) && issuer !== before);
    await until('both serve a certificate of the next authority', isChanged, rotationMs);
    await new Promise((done) => setTimeout(done, 2_000));
    const rotation = await during.stop();
    expect(rotation.failures).toEqual([]);
    expect(rotation.injected).toBeGreaterThan(100);

    // As at the end of a pod: no new connections, a signal, and the connections that the API server has are drained.
    const end = startPods(admin, 'apps');
    await until('both are asked', async () => balancer.open >= 2);
    balancer.lead([injectors[1].port]);
    expect(await injectors[0].stop()).toBe(0);
    const ended = await end.stop();
    expect(ended.failures).toEqual([]);
    expect(ended.injected).toBeGreaterThan(10);
  });

  it('make new certificates where the Secret is emptied, as the runbook says, and every pod is injected', async () => {
    const page = await readFile(resolve(import.meta.dirname, '../../docs/operations.md'), 'utf8');
    const [, steps = ''] = /kubectl [^`]*patch secret keyproxy-injector-tls --type=json -p '([^']+)'/.exec(page) ?? [];
    const { port } = release.injectors[1];
    const before = await issuerAt(port);
    const during = startPods(admin, 'apps', () => release.balancer.cut());
    await admin.must('PATCH', secret, JSON.parse(steps));
    await until(
      'it serves a certificate of a new authority',
      async () => (await issuerAt(port)) !== before,
      rotationMs,
    );
    await new Promise((done) => setTimeout(done, 2_000));
    expect((await during.stop()).failures).toEqual([]);
    expect((await admin.must('GET', secret))['data']).toHaveProperty(['ca.key']);
  }, 120_000);

  it('stay trusted while the Secret is gone, and go on where it is put back', async () => {
    const { port } = release.injectors[1];
    const before = await issuerAt(port);
    await admin.must('DELETE', secret);
    for (const place of [registrations, checks]) {
      const path = `${place}/${names.name}`;
      await admin.must('PATCH', path, [{ op: 'remove', path: '/webhooks/0/clientConfig/caBundle' }]);
    }
    await until('no pod is created', async () => outcomeOf(await createPod(admin, 'apps', plainPod)) === 'refused');
    const isInjected = async () => outcomeOf(await createPod(admin, 'apps', plainPod)) === 'injected';
    await until('pods are injected again', isInjected, rotationMs);
    expect(await issuerAt(port)).toBe(before);
    const missing =
      /POST .*secrets: the API server answered 403; the role needs create on it, or an empty Secret has to be there/;
    // The other one may have been the first to look.
    await until('it says what it may not do', async () => missing.test(release.injectors[1].output()), rotationMs);
    await create(admin, release.chart.the('Secret'));
    await until(
      'it serves a certificate of a new authority',
      async () => (await issuerAt(port)) !== before,
      rotationMs,
    );
    await until('pods are injected', isInjected);
  }, 240_000);
});
