import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { issueLeaf } from '../../../src/app/injector/authority.ts';
import { InjectorWorld, oldAuthority, serviceHost } from '../../support/injector-world.ts';
import { podShapes } from '../../support/pod-shapes.ts';

const dayMs = 86_400_000;
const pace = { lookMs: 40, settleMs: 300 };
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
function creating(world: InjectorWorld, lagMs: number) {
  const admission = world.admission(lagMs);
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

test('an authority that is old is replaced under load by two replicas, and no review fails', async () => {
  await using world = await InjectorWorld.start();
  const old = await oldAuthority(300 * dayMs);
  const leaf = await issueLeaf(old, {
    hosts: [serviceHost, 'keyproxy-injector.keyproxy', `${serviceHost}.cluster.local`],
    now: Date.now(),
  });
  world.keep({ 'ca.crt': old.cert, 'ca.key': old.key, 'tls.crt': leaf.cert, 'tls.key': leaf.key });
  const replicas = await Promise.all([world.replica(pace), world.replica(pace)]);
  const load = creating(world, 25);
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

test('a certificate that is old, or has ended, is replaced under the same authority', async () => {
  await using world = await InjectorWorld.start();
  const authority = await oldAuthority(20 * dayMs);
  const ended = await issueLeaf(authority, {
    hosts: [serviceHost, 'keyproxy-injector.keyproxy', `${serviceHost}.cluster.local`],
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

test('a right that is missing is named', async () => {
  await using world = await InjectorWorld.start();
  world.kubernetes.forbidden.add('create secrets');
  const replica = world.replica(pace);
  await until(() => world.lines.length > 0);
  expect(world.lines[0]).toMatchObject({ problem: expect.stringMatching(/answered 403; the role needs create/) });
  world.kubernetes.forbidden.clear();
  await replica;
});
