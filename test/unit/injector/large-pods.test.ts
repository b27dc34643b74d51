/** Pods of any size: an answer that is short in time and in bytes. The API server asks before it has checked anything. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide } from '../../../src/injector/inject.ts';
import { answerTo, parseReview } from '../../../src/injector/review.ts';
import { podSettings } from '../../support/pod-shapes.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * Most bytes of an answer beside twice those of the question, 500 containers' share of which is 400 each; and most time
 * for it, in milliseconds.
 */
const answerBytes = 300_000;
const answerMs = 3000;

function podOf(annotations: Json, spec: Json): Json {
  return { metadata: { labels: { 'keyproxy.io/inject': 'true' }, annotations }, spec };
}

function bodyOf(pod: Json, more: Json = {}): Buffer {
  const kind = { group: '', version: 'v1', kind: 'Pod' };
  const request = { uid: 'c0ffee00', kind, operation: 'CREATE', namespace: 'shop', object: pod, ...more };
  return Buffer.from(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request }));
}

/** The decision about a body, within the bounds of time and size. */
function decided(body: Buffer) {
  const began = performance.now();
  const review = parseReview(body);
  const pod = review.subject.kind === 'new pod' ? review.subject.pod : undefined;
  const decision = decide(pod, podSettings);
  const answer = JSON.stringify(answerTo(review, decision));
  expect(performance.now() - began).toBeLessThan(answerMs);
  expect(answer.length).toBeLessThan(answerBytes + 2 * body.length);
  if (decision.kind !== 'refused') return { decision, message: '' };
  expect(decision.message.length).toBeLessThan(4200);
  return { decision, message: decision.message };
}

const many = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index));
const containersOf = (count: number) => many(count, (index) => ({ name: `c${index}` }));

describe('a pod that is too large to be looked at is refused in few words', () => {
  test.each<[string, Json, RegExp]>([
    ['501 containers', { containers: containersOf(501) }, /has 501 containers; at most 500/],
    [
      '501 containers and init containers',
      { containers: containersOf(250), initContainers: containersOf(251) },
      /has 501 containers/,
    ],
    ['45 000 containers', { containers: many(45_000, () => 7) }, /has 45000 containers/],
    [
      '501 volumes',
      { containers: [{ name: 'app' }], volumes: many(501, (index) => ({ name: `v${index}` })) },
      /has 501 volumes; at most 500/,
    ],
    ['a long name of a container', { containers: [{ name: 'x'.repeat(20_000) }] }, /has a name of 20000 characters/],
    [
      'a long name of a volume',
      { containers: [{ name: 'app' }], volumes: [{ name: 'v'.repeat(64) }] },
      /volume "v{40}…" has a name of 64 characters/,
    ],
  ])('%s', (_what, spec, message) => {
    const annotations = { 'keyproxy.io/containers': many(5000, (index) => `n${index}`).join(',') };
    expect(decided(bodyOf(podOf(annotations, spec))).message).toMatch(message);
  });

  test('a body of more values than any pod has is not made into objects', () => {
    const body = bodyOf(podOf({}, { containers: [{ name: 'app' }], junk: many(50_000, () => ({})) }));
    expect(() => parseReview(body)).toThrow(/at most 50000 values/);
  });

  test('but what stands in a text is no value', () => {
    const text = `${','.repeat(300_000)}"[{\\`;
    const body = bodyOf(podOf({ note: text }, { containers: [{ name: 'app', command: ['sh', '-c', text] }] }));
    expect(decided(body).decision.kind).toBe('injected');
  });

  test('an annotation of more than 64 KiB', () => {
    const body = bodyOf(podOf({ 'keyproxy.io/tenants': 'a,'.repeat(40_000) }, { containers: [{ name: 'app' }] }));
    expect(decided(body).message).toMatch(/keyproxy\.io\/tenants has 80000 characters/);
  });
});

test('a pod of 500 containers, all of them named, is injected', () => {
  const containers = containersOf(500);
  const annotations = { 'keyproxy.io/containers': containers.map(({ name }) => name).join(',') };
  const { decision } = decided(bodyOf(podOf(annotations, { containers })));
  expect(decision.kind).toBe('injected');
});

test('a volume of as many tokens as an annotation can name is compared once with each', () => {
  const tenants = many(6000, (index) => `t${index}`);
  const sources = many(8000, (index) => ({ serviceAccountToken: { path: `t${index}` } }));
  const volumes = [{ name: 'keyproxy-vault-tokens', projected: { sources } }];
  const annotations = { 'keyproxy.io/vault-tokens': tenants.map((tenant) => `${tenant}=a`).join(',') };
  const { message } = decided(bodyOf(podOf(annotations, { containers: containersOf(1), volumes })));
  expect(message).toMatch(/volume keyproxy-vault-tokens that is not keyproxy's/);
});

test('names that the pod does not have are told together, ten at most, and so are those that it has', () => {
  const annotations = { 'keyproxy.io/containers': many(3000, (index) => `n${index}`).join(',') };
  const { message } = decided(bodyOf(podOf(annotations, { containers: containersOf(400) })));
  expect(message).toMatch(
    /names n0, .*, n9 and 2990 more, which the pod does not have; it has c0, .*, c9 and 390 more/,
  );
});

test('twenty obstacles are told, and how many there are beside', () => {
  const containers = many(50, (index) => ({ name: `c${index}`, ports: [{ containerPort: 9464 }] }));
  const { message } = decided(bodyOf(podOf({}, { containers })));
  expect(message.match(/has the port 9464/g)).toHaveLength(20);
  expect(message).toMatch(/; and 30 more \(label/);
});

test('twenty warnings are told, and how many there are beside', () => {
  const annotations = Object.fromEntries(many(10_000, (index) => [`keyproxy.io/x${index}`, '1']));
  const { decision } = decided(bodyOf(podOf(annotations, { containers: [{ name: 'app' }] })));
  expect(decision.warnings).toHaveLength(21);
  expect(decision.warnings.at(-1)).toBe('and 9980 more');
});

test('what the API server was told to ask about is told in few words, and names in the log are short', () => {
  const long = 'x'.repeat(100_000);
  const review = parseReview(bodyOf({ metadata: { name: long } }, { operation: long, subResource: long }));
  expect(review.name).toHaveLength(253);
  expect(review.subject.kind).toBe('other');
  expect(review.what.length).toBeLessThan(200);
  expect(() => parseReview(bodyOf({}, { uid: long }))).toThrow(/uid of at most 253/);
});

test('any pod, however many of whatever it has, gets a short answer in a short time', () => {
  const name = fc.oneof(fc.constantFrom('app', 'keyproxy', 'keyproxy-state', 'keyproxy-socket'), fc.string());
  const times = <T>(arbitrary: fc.Arbitrary<T>, most: number) =>
    fc.tuple(arbitrary, fc.nat(most)).map(([item, count]) => many(count, () => item));
  const long = fc.tuple(name, fc.nat(2000)).map(([text, count]) => text.repeat(count));
  const container = fc.record(
    {
      name: fc.oneof(name, long),
      ports: times(fc.record({ containerPort: fc.constantFrom(9464, 1) }), 100),
      env: times(fc.record({ name: fc.constant('KEYPROXY_ADDRESS'), value: long }), 10),
      volumeMounts: times(fc.record({ name, mountPath: fc.oneof(fc.constant('/run/keyproxy'), long) }), 20),
    },
    { requiredKeys: ['name'] },
  );
  const pod = fc
    .record({
      containers: times(container, 10),
      initContainers: times(container, 10),
      volumes: times(fc.record({ name }), 600),
      named: times(name, 3000),
      unknown: fc.nat(1000),
    })
    .map(({ named, unknown, ...spec }) =>
      podOf(
        {
          'keyproxy.io/containers': named.join(','),
          ...Object.fromEntries(many(unknown, (index) => [`keyproxy.io/${index}`, ''])),
        },
        spec,
      ),
    );
  fc.assert(
    fc.property(pod, (document) => {
      const body = bodyOf(document);
      try {
        decided(body);
      } catch (error) {
        // The one way out beside an answer.
        expect(error).toMatchObject({ message: expect.stringMatching(/at most 50000 values/) });
      }
    }),
    { numRuns: 20 },
  );
});
