import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ApiServer } from '../../../src/app/injector/api-server.ts';
import { issueLeaf } from '../../../src/app/injector/authority.ts';
import { readSecret, writeSecret } from '../../../src/app/injector/kept-secret.ts';
import { planned } from '../../../src/app/injector/key-ring.ts';
import { openServiceAccount } from '../../../src/app/injector/service-account.ts';
import { completeBundle, readBundle, registrations } from '../../../src/app/injector/trust-bundle.ts';
import { startKubernetes } from '../../simulators/kubernetes/server.ts';
import { makeAuthority } from '../../support/certificates.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import {
  checkConfiguration,
  InjectorWorld,
  oldAuthority,
  serviceHost,
  webhookConfiguration,
} from '../../support/injector-world.ts';
import { podShapes } from '../../support/pod-shapes.ts';

const dayMs = 86_400_000;
const hosts = [serviceHost, 'keyproxy-injector.keyproxy', `${serviceHost}.cluster.local`];
const pace = { lookMs: 100, settleMs: 300 };
/** How late the API server hears of a change: within the time between two looks. */
const lagMs = 60;
const pod = podShapes[0]?.pod ?? {};
const authorities = (pem: string) => pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
const sameCert = (a: string, b: string) =>
  new X509Certificate(a).fingerprint256 === new X509Certificate(b).fingerprint256;

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it did not come to pass in time');
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** Creates pods one after the other until it is told to end; what failed is in the answer. */
function creating(world: InjectorWorld, lateMs = lagMs) {
  const admission = world.admission(lateMs);
  const [failures, counts]: [unknown[], { admitted: number }] = [[], { admitted: 0 }];
  let isOver = false;
  const work = (async () => {
    while (!isOver) {
      try {
        const answer = await admission.create(pod);
        if (answer.kind === 'admitted' && answer.pod !== pod) counts.admitted += 1;
        else failures.push(answer);
      } catch (error) {
        failures.push(error);
      }
    }
  })();
  return {
    counts,
    async end() {
      isOver = true;
      await work;
      return failures;
    },
  };
}

test('replicas that start at once agree on one authority, and the API server trusts both', async () => {
  await using world = await InjectorWorld.start();
  const [one, two, three] = await Promise.all([world.replica(pace), world.replica(pace), world.replica(pace)]);
  expect(new Set([one, two, three].map(({ leaf }) => leaf().cert)).size).toBe(1);
  expect(authorities(world.bundle())).toHaveLength(1);
  expect(sameCert(world.bundle(), world.kept('ca.crt') ?? '')).toBe(true);
  const admission = world.admission();
  for (let count = 0; count < 3; count++) expect((await admission.create(pod)).kind).toBe('admitted');
  // One was first; the others were told so and took what it had made.
  const writes = world.kubernetes.served.filter(({ method, status }) => method === 'POST' && status === 201);
  expect(writes).toHaveLength(1);
});

test.each(['absent', 'there'])(
  'of two who have read the same Secret, %s, the one who writes second is told so',
  async (state) => {
    await using world = await InjectorWorld.start();
    if (state === 'there') world.keep({});
    using api = world.api();
    const place = { namespace: 'keyproxy', name: 'keyproxy-injector-tls' };
    const read = await readSecret(api, place);
    const ring = async () => {
      const current = await oldAuthority(0);
      return { current, leaf: await issueLeaf(current, { hosts: [serviceHost], now: Date.now() }) };
    };
    const [first, second] = [await ring(), await ring()];
    expect(await writeSecret(api, place, { read, ring: first })).toBe(true);
    expect(await writeSecret(api, place, { read, ring: second })).toBe(false);
    expect((await readSecret(api, place)).ring).toEqual(first);
  },
);

test('of two who have read the same bundle, the one who completes it second is told so', async () => {
  await using world = await InjectorWorld.start();
  using api = world.api();
  const [registered] = registrations;
  const read = async () => {
    const bundle = await readBundle(api, 'keyproxy-injector', registered);
    if (bundle === undefined) throw new Error('it is not there');
    return bundle;
  };
  const bundle = await read();
  const [first, second] = [await oldAuthority(0), await oldAuthority(0)];
  const now = Date.now();
  expect(await completeBundle(api, bundle, { wanted: [first.cert], now })).toBe(true);
  expect(await completeBundle(api, bundle, { wanted: [second.cert], now })).toBe(false);
  expect(await completeBundle(api, await read(), { wanted: [second.cert], now })).toBe(true);
  expect(authorities(world.bundle())).toHaveLength(2);
});

test('authorities of Secrets that were lost do not fill the bundle', async () => {
  await using world = await InjectorWorld.start();
  using api = world.api();
  const [registered] = registrations;
  const made = await Promise.all(Array.from({ length: 12 }, () => oldAuthority(0)));
  for (const { cert } of made) {
    const bundle = await readBundle(api, 'keyproxy-injector', registered);
    if (bundle === undefined) throw new Error('it is not there');
    expect(await completeBundle(api, bundle, { wanted: [cert], now: Date.now() })).toBe(true);
  }
  const kept = authorities(world.bundle()).map((cert) => new X509Certificate(cert).fingerprint256);
  const newest = made.toReversed().slice(0, 9);
  expect(kept).toEqual(newest.map(({ cert }) => new X509Certificate(cert).fingerprint256));
});

test('an authority that is old is replaced under load by two replicas, and no review fails', async () => {
  await using world = await InjectorWorld.start();
  const old = await oldAuthority(300 * dayMs);
  const leaf = await issueLeaf(old, {
    hosts,
    now: Date.now(),
  });
  world.keep({ 'ca.crt': old.cert, 'ca.key': old.key, 'tls.crt': leaf.cert, 'tls.key': leaf.key });
  const replicas = await Promise.all([world.replica(pace), world.replica(pace)]);
  const load = creating(world);
  await until(() => replicas.every((replica) => replica.leaf().cert !== leaf.cert));
  const before = load.counts.admitted;
  await until(() => load.counts.admitted > before + 10);
  expect(await load.end()).toEqual([]);

  const [current, previous] = [world.kept('ca.crt') ?? '', world.kept('previous-ca.crt') ?? ''];
  expect(sameCert(previous, old.cert)).toBe(true);
  expect(sameCert(current, old.cert)).toBe(false);
  expect(authorities(world.bundle())).toHaveLength(2);
  expect(world.kept('next-ca.crt')).toBeUndefined();
  for (const replica of replicas) {
    expect(new X509Certificate(replica.leaf().cert).verify(new X509Certificate(current).publicKey)).toBe(true);
  }
  // The key of the authority before is nowhere any more.
  expect(Object.values(world.kubernetes.secrets.get('keyproxy/keyproxy-injector-tls')['data'] as object)).not.toContain(
    old.key.toString('base64'),
  );
});

test('a Secret that somebody deletes under load is made anew, and no review fails', async () => {
  await using world = await InjectorWorld.start();
  const replicas = [await world.replica(pace), await world.replica(pace)];
  const [before] = replicas.map((replica) => replica.leaf().cert);
  const load = creating(world);
  world.kubernetes.secrets.delete('keyproxy/keyproxy-injector-tls');
  await until(() => replicas.every((replica) => replica.leaf().cert !== before));
  const admitted = load.counts.admitted;
  await until(() => load.counts.admitted > admitted + 10);
  expect(await load.end()).toEqual([]);
  expect(new Set(replicas.map((replica) => replica.leaf().cert)).size).toBe(1);
});

test('a Secret that is emptied again and again does not take what is served out of the bundle', async () => {
  await using world = await InjectorWorld.start();
  const replica = await world.replica(pace);
  const { secrets } = world.kubernetes;
  const key = 'keyproxy/keyproxy-injector-tls';
  // More often than authorities stay beside those that are wanted, and too fast for the new ones to be served.
  for (let count = 0; count < 12; count++) {
    const before = world.bundle();
    secrets.update(key, { ...secrets.get(key), data: {} });
    await until(() => world.bundle() !== before);
    const leaf = new X509Certificate(replica.leaf().cert);
    const known = authorities(world.bundle()).map((cert) => new X509Certificate(cert));
    expect(known.some(({ publicKey }) => leaf.verify(publicKey))).toBe(true);
  }
  expect((await world.admission().create(pod)).kind).toBe('admitted');
});

test('a replica that starts just when the Secret was emptied serves nothing that the API server has not heard of', async () => {
  await using world = await InjectorWorld.start();
  const slow = { ...pace, lookMs: 500 };
  const first = await world.replica(slow);
  const before = first.leaf().cert;
  const load = creating(world, 250);
  await until(() => load.counts.admitted > 3);
  const { secrets } = world.kubernetes;
  const key = 'keyproxy/keyproxy-injector-tls';
  secrets.update(key, { ...secrets.get(key), data: {} });
  const [second, third] = await Promise.all([world.replica(slow), world.replica(slow)]);
  await until(() => first.leaf().cert !== before);
  const admitted = load.counts.admitted;
  await until(() => load.counts.admitted > admitted + 10);
  expect(await load.end()).toEqual([]);
  expect(second.leaf().cert).toBe(first.leaf().cert);
  expect(third.leaf().cert).toBe(first.leaf().cert);
});

test('a certificate that is old, or has ended, is replaced under the same authority', async () => {
  await using world = await InjectorWorld.start();
  const authority = await oldAuthority(20 * dayMs);
  const ended = await issueLeaf(authority, {
    hosts,
    now: Date.now() - 8 * dayMs,
  });
  world.keep({ 'ca.crt': authority.cert, 'ca.key': authority.key, 'tls.crt': ended.cert, 'tls.key': ended.key });
  const replica = await world.replica(pace);
  expect(replica.leaf().cert).not.toBe(ended.cert);
  expect(sameCert(world.kept('ca.crt') ?? '', authority.cert)).toBe(true);
  expect((await world.admission().create(pod)).kind).toBe('admitted');
});

test('a bundle that somebody takes away is put back, and nothing else of the configuration is touched', async () => {
  await using world = await InjectorWorld.start();
  await world.replica(pace);
  expect(world.bundle('checks')).toBe(world.bundle());
  const { configurations } = world.kubernetes;
  const before = configurations.get('keyproxy-injector');
  const [webhook] = before['webhooks'] as Record<string, unknown>[];
  configurations.update('keyproxy-injector', {
    ...before,
    webhooks: [{ ...webhook, timeoutSeconds: 7, clientConfig: { service: { name: 'other', namespace: 'keyproxy' } } }],
  });
  await until(() => world.bundle() !== '');
  expect(configurations.get('keyproxy-injector')['webhooks']).toEqual([
    {
      ...webhook,
      timeoutSeconds: 7,
      clientConfig: {
        service: { name: 'other', namespace: 'keyproxy' },
        caBundle: Buffer.from(world.bundle()).toString('base64'),
      },
    },
  ]);
});

test.each([
  ['empty', {}],
  ['of something else', { password: 'x' }],
  ['damaged', { 'ca.crt': 'x', 'ca.key': 'x', 'tls.crt': 'x', 'tls.key': 'x' }],
])('a Secret that is %s gets certificates', async (_what, fields) => {
  await using world = await InjectorWorld.start();
  world.keep(fields);
  await world.replica(pace);
  expect((await world.admission().create(pod)).kind).toBe('admitted');
});

test('a bad next authority and a certificate before that cannot be read are left out, and the rest is used', async () => {
  await using world = await InjectorWorld.start();
  const authority = await oldAuthority(20 * dayMs);
  const leaf = await issueLeaf(authority, { hosts, now: Date.now() });
  world.keep({
    ...{ 'ca.crt': authority.cert, 'ca.key': authority.key, 'tls.crt': leaf.cert, 'tls.key': leaf.key },
    ...{ 'next-ca.crt': 'x', 'next-ca.key': 'x', 'previous-ca.crt': 'garbage' },
  });
  const replica = await world.replica(pace);
  expect(sameCert(replica.leaf().cert, leaf.cert)).toBe(true);
  const looks = () => world.kubernetes.served.filter(({ method, path }) => method === 'GET' && /secrets/.test(path));
  await until(() => looks().length >= 4);
  // Once for the authority in each registration, and not again for what nobody can read.
  expect(world.kubernetes.served.filter(({ method }) => method === 'PATCH')).toHaveLength(2);
  expect(authorities(world.bundle())).toHaveLength(1);
  expect(world.bundle()).not.toContain('garbage');
});

test('a replica whose clock is fast makes certificates by the time of the API server', async () => {
  await using world = await InjectorWorld.start();
  const [fast, other] = [await world.replica({ ...pace, fastMs: 3 * dayMs }), await world.replica(pace)];
  expect(new X509Certificate(fast.leaf().cert).validFromDate.getTime()).toBeLessThan(Date.now());
  expect(other.leaf().cert).toBe(fast.leaf().cert);
  expect((await world.admission().create(pod)).kind).toBe('admitted');
});

test.each(['authority', 'certificate'])('an %s that is not valid yet is not used', async (what) => {
  const now = Date.now();
  const current = await oldAuthority(what === 'authority' ? -3 * dayMs : dayMs);
  const leaf = await issueLeaf(current, { hosts, now: now + (what === 'authority' ? 0 : 3 * dayMs) });
  const plan = await planned({ current, leaf }, { hosts, now, isTrusted: () => true });
  expect(plan?.why).toBe('there was none that can be used');
});

test('while the API server gives no answer, what is served goes on, and the log says so once and holds no key', async () => {
  await using world = await InjectorWorld.start();
  const replica = await world.replica(pace);
  const { cert, key } = replica.leaf();
  world.kubernetes.fault = { status: 500 };
  await until(() => world.lines.some(({ msg }) => msg === 'the certificates could not be looked after'));
  await new Promise((done) => setTimeout(done, 200));
  expect((await world.admission().create(pod)).kind).toBe('admitted');
  expect(replica.leaf().cert).toBe(cert);
  expect(world.lines.filter(({ msg }) => msg === 'the certificates could not be looked after')).toHaveLength(1);
  const said = JSON.stringify(world.lines);
  expect(said).not.toContain(world.kubernetes.token);
  expect(said).not.toContain(key.toString('latin1').split('\n')[1]);
});

test('a bundle that is taken away is put back while the Secret is gone and cannot be made again', async () => {
  await using world = await InjectorWorld.start();
  await world.replica(pace);
  const { configurations, secrets, refused } = world.kubernetes;
  refused.set('create secrets', 403);
  secrets.delete('keyproxy/keyproxy-injector-tls');
  const before = world.bundle();
  configurations.update('keyproxy-injector', webhookConfiguration());
  expect(world.bundle()).toBe('');
  await until(() => world.bundle() !== '');
  expect(world.bundle()).toBe(before);
  expect((await world.admission().create(pod)).kind).toBe('admitted');
});

test.each(['configurations', 'checks'] as const)(
  'of two bundles one is put back where there is none of the %s',
  async (gone) => {
    await using world = await InjectorWorld.start();
    await world.replica(pace);
    const [name, other] = ['keyproxy-injector', gone === 'checks' ? 'configurations' : 'checks'] as const;
    world.kubernetes[gone].delete(name);
    const whole = world.bundle(other);
    world.kubernetes[other].update(name, other === 'checks' ? checkConfiguration() : webhookConfiguration());
    await until(() => world.bundle(other) === whole);
  },
);

test.each(['configurations', 'checks'] as const)(
  'where there is none of the %s, replicas start, say so, and follow the other; when it comes, it is trusted',
  async (gone) => {
    await using world = await InjectorWorld.start();
    const [name, other] = ['keyproxy-injector', gone === 'checks' ? 'configurations' : 'checks'] as const;
    world.kubernetes[gone].delete(name);
    await world.replica(pace);
    const whole = world.bundle(other);
    expect(authorities(whole)).toHaveLength(1);
    await new Promise((done) => setTimeout(done, 3 * pace.lookMs));
    const said = gone === 'checks' ? 'check.keyproxy.io in validating' : 'inject.keyproxy.io in mutating';
    expect(world.lines.filter(({ level }) => level === 50)).toEqual([
      expect.objectContaining({ problem: expect.stringContaining(`there is no ${said}webhookconfigurations/`) }),
    ]);
    world.kubernetes[gone].create(name, gone === 'checks' ? checkConfiguration() : webhookConfiguration());
    await until(() => world.bundle(gone) === whole);
    expect((await world.admission().create(pod)).kind).toBe('admitted');
  },
);

test.each([
  ['patch mutatingwebhookconfigurations', 422, /write \/apis\/.*\/keyproxy-injector 8 times in a row/],
  ['create secrets', 409, /write the secret keyproxy\/keyproxy-injector-tls 8 times in a row/],
])('a write that is refused for ever (%s: %i) is told, and not repeated without end', async (what, status, told) => {
  await using world = await InjectorWorld.start();
  world.kubernetes.refused.set(what, status);
  const replica = world.replica(pace);
  await until(() => world.lines.some(({ level }) => level === 50));
  expect(world.lines.find(({ level }) => level === 50)).toMatchObject({ problem: expect.stringMatching(told) });
  expect(world.kubernetes.served.length).toBeLessThan(50);
  world.kubernetes.refused.clear();
  await replica;
});

test('a Secret that cannot be changed is told as what it is', async () => {
  await using world = await InjectorWorld.start();
  world.keep({}, { immutable: true });
  const replica = world.replica(pace);
  await until(() => world.lines.some(({ level }) => level === 50));
  const { problem } = world.lines.find(({ level }) => level === 50) ?? {};
  expect(problem).toMatch(/answered 422; it is immutable: delete it/);
  expect(problem).not.toMatch(/role/);
  world.kubernetes.secrets.delete('keyproxy/keyproxy-injector-tls');
  await replica;
});

test('an API server whose authority changes is reached by the one that is in the file then', async () => {
  await using folder = await temporaryFolder();
  await using kubernetes = await startKubernetes();
  const write = (name: string, text: string) => writeFile(join(folder.path, name), text);
  await Promise.all([write('token', kubernetes.token), write('ca.crt', (await makeAuthority()).ca)]);
  const account = await openServiceAccount({
    KUBERNETES_SERVICE_HOST: kubernetes.host,
    KUBERNETES_SERVICE_PORT: String(kubernetes.port),
    KEYPROXY_SERVICE_ACCOUNT_DIRECTORY: folder.path,
  });
  using api = new ApiServer(account);
  await expect(api.call({ method: 'GET', path: '/version' })).rejects.toThrow(/GET \/version: /);
  await write('ca.crt', kubernetes.ca);
  expect((await api.call({ method: 'GET', path: '/version' })).status).toBe(200);
});

test('a right that is missing is named', async () => {
  await using world = await InjectorWorld.start();
  world.kubernetes.refused.set('create secrets', 403);
  const replica = world.replica(pace);
  await until(() => world.lines.length > 0);
  expect(world.lines[0]).toMatchObject({ problem: expect.stringMatching(/answered 403; the role needs create/) });
  world.kubernetes.refused.clear();
  await replica;
});
