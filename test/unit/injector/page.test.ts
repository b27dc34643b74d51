/** docs/kubernetes.md against the code: annotations, refusals, and what is said of certificates. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkBinding, checkChanged, checkNew } from '../../../src/injector/check.ts';
import { decide } from '../../../src/injector/inject.ts';
import { statusAnnotation } from '../../../src/injector/names.ts';
import { parseReview } from '../../../src/injector/review.ts';
import { annotations } from '../../../src/injector/wishes.ts';
import { podSettings, podShapes } from '../../support/pod-shapes.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/kubernetes.md'), 'utf8');
const section = (title: string) => page.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';

test('the page has every annotation, and no other', () => {
  const told = [...section('What a pod can ask for').matchAll(/`(keyproxy\.io\/[a-z-]+)`/g)].map(([, name]) => name);
  expect([...new Set(told)].toSorted()).toEqual([...annotations, statusAnnotation].toSorted());
});

/** First cells of the table, each as what a message that it stands for matches: `…` is anything. */
const rows = [...section('Refusals').matchAll(/^\| (`[^|]+`) \|/gm)].map(([, cell = '']) =>
  [...cell.matchAll(/`([^`]+)`/g)].map(
    ([, text = '']) => new RegExp(text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('…', '.*')),
  ),
);

const asks = { 'keyproxy.io/inject': 'true' };

function problemOf(body: string): string {
  try {
    parseReview(Buffer.from(body));
    return '';
  } catch (error) {
    return String(error);
  }
}

const refusals = [
  ...podShapes.flatMap(({ name, pod, expect: outcome }) =>
    outcome === 'refused' ? [[name, decide(pod, podSettings)] as const] : [],
  ),
  ...podShapes.flatMap(({ name, pod }) =>
    /a job/.test(name) ? [[`${name}, classic`, decide(pod, { ...podSettings, form: 'classic' })] as const] : [],
  ),
  ...Object.entries({
    'many containers': { containers: Array.from({ length: 501 }, () => ({ name: 'app' })) },
    'many volumes': { containers: [{ name: 'app' }], volumes: Array.from({ length: 501 }, () => ({ name: 'data' })) },
    'no containers': { containers: [] },
    'a long name': { containers: [{ name: 'x'.repeat(64) }] },
  }).map(([name, spec]) => [name, decide({ metadata: { labels: asks }, spec }, podSettings)] as const),
  [
    'a native sidecar where there are none',
    decide(
      { metadata: { labels: asks }, spec: { containers: [{ name: 'app' }], initContainers: [{ name: 'keyproxy' }] } },
      { ...podSettings, form: 'classic' },
    ),
  ] as const,
  [
    'a sidecar that cannot work',
    decide(
      {
        metadata: { labels: asks },
        spec: {
          containers: [{ name: 'app' }],
          initContainers: [
            {
              ...{ name: 'keyproxy', restartPolicy: 'Always', args: ['serve', '--from-env'] },
              volumeMounts: [{ name: 'keyproxy-socket', mountPath: '/run/keyproxy' }],
            },
          ],
        },
      },
      podSettings,
    ),
  ] as const,
  [
    'a long annotation',
    decide(
      {
        metadata: { labels: asks, annotations: { 'keyproxy.io/tenants': 'x'.repeat(70_000) } },
        spec: { containers: [{ name: 'app' }] },
      },
      podSettings,
    ),
  ] as const,
  [
    'a static pod',
    decide(
      {
        metadata: { labels: asks, annotations: { 'kubernetes.io/config.mirror': 'x' } },
        spec: { containers: [] },
      },
      podSettings,
    ),
  ] as const,
  ...podShapes
    .slice(0, 1)
    .flatMap(({ pod }) => [
      ['a new pod that is bare', checkNew(pod, podSettings)] as const,
      ['a label on a pod that runs', checkChanged({ pod, before: {} }, podSettings)] as const,
    ]),
  ['a pod of many values', { kind: 'refused', message: problemOf(`[${'0,'.repeat(50_000)}0]`) }] as const,
  ['a label by a binding', checkBinding({ metadata: { labels: asks } })] as const,
];

test.each(refusals)('the page says what to do about the refusal of %s', (_name, decision) => {
  const message = decision.kind === 'refused' ? decision.message : '';
  expect(rows.flat().some((row) => row.test(message))).toBe(true);
});

test('each refusal of the page is one that happens', () => {
  expect(rows.length).toBeGreaterThan(8);
  for (const row of rows.flat()) {
    const isSaid = refusals.some(([, decision]) => decision.kind === 'refused' && row.test(decision.message));
    expect(isSaid, String(row)).toBe(true);
  }
});
