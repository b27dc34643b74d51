/** Pods that have a container keyproxy when they come: of an earlier pass, or copied from another place. */
import jsonPatch from 'fast-json-patch';
import { describe, expect, test } from 'vitest';
import { decide } from '../../../src/injector/inject.ts';
import type { Form } from '../../../src/injector/settings.ts';
import { podSettings } from '../../support/pod-shapes.ts';

type Json = Record<string, unknown>;
interface Pod {
  readonly metadata: Json;
  readonly spec: Json & { readonly containers: readonly Json[]; readonly initContainers: readonly Json[] };
}

const settingsOf = (form: Form) => ({ ...podSettings, form });

/** A pod with these annotations, without their prefix, as it is after its injection. */
function injectedPod(wishes: Readonly<Record<string, string>> = {}, form: Form = 'native'): Pod {
  const annotations = Object.fromEntries(Object.entries(wishes).map(([name, value]) => [`keyproxy.io/${name}`, value]));
  const pod = {
    metadata: { labels: { 'keyproxy.io/inject': 'true' }, annotations },
    spec: { containers: [{ name: 'app' }], initContainers: [{ name: 'migrate' }] },
  };
  const decision = decide(pod, settingsOf(form));
  if (decision.kind !== 'injected') throw new Error(`it was not injected: ${JSON.stringify(decision)}`);
  const patch = JSON.parse(JSON.stringify(decision.patch));
  return jsonPatch.applyPatch(pod, patch).newDocument as unknown as Pod;
}

/** The same pod with something else in its native sidecar. */
function changed(pod: Pod, more: Json): Pod {
  const [sidecar, ...others] = pod.spec.initContainers;
  return { ...pod, spec: { ...pod.spec, initContainers: [{ ...sidecar, ...more }, ...others] } };
}

const mounts = injectedPod().spec.initContainers[0]?.['volumeMounts'] as readonly Json[];

test.each<[string, Json]>([
  ['another command', { command: ['/bin/sh', '-c', 'nc -lU /run/keyproxy/keyproxy.sock'] }],
  ['its arguments in one', { args: ['serve --from-env'] }],
  ['more arguments', { args: ['serve', '--from-env', '--dev'] }],
  ['a socket that cannot be made', { volumeMounts: mounts.map((mount) => ({ ...mount, readOnly: true })) }],
  ['no restartPolicy', { restartPolicy: undefined }],
])('a container keyproxy with %s is not ours', (_what, more) => {
  const pod = changed(injectedPod(), more);
  expect(decide(pod, podSettings)).toMatchObject({
    kind: 'refused',
    message: expect.stringMatching(/container keyproxy of its own/),
  });
});

test('an empty command is none', () => {
  expect(decide(changed(injectedPod(), { command: [] }), podSettings).kind).toBe('unchanged');
});

test.each(['Never', 'OnFailure'])('with a classic sidecar and restartPolicy %s a pod would never end', (policy) => {
  const pod = injectedPod({}, 'classic');
  const decision = decide({ ...pod, spec: { ...pod.spec, restartPolicy: policy } }, podSettings);
  expect(decision).toMatchObject({ kind: 'refused', message: expect.stringMatching(/meant to end/) });
});

test('a native sidecar is refused where the cluster has none', () => {
  const decision = decide(injectedPod(), settingsOf('classic'));
  expect(decision).toMatchObject({ kind: 'refused', message: expect.stringMatching(/native sidecar already/) });
});

test('with a classic sidecar an init container that mounts its volumes is refused, though it is not served', () => {
  const pod = injectedPod({}, 'classic');
  const initContainers = [{ name: 'migrate', volumeMounts: [{ name: 'keyproxy-state', mountPath: '/s' }] }];
  expect(decide({ ...pod, spec: { ...pod.spec, initContainers } }, settingsOf('classic'))).toMatchObject({
    kind: 'refused',
    message: expect.stringMatching(/container migrate mounts keyproxy's volume keyproxy-state itself/),
  });
});

describe('a copied pod whose annotations were changed keeps its sidecar', () => {
  const before = { tenants: 'acme', tcp: 'true', image: 'a.example.com/keyproxy:1' };

  test.each([
    ['tenants', 'acme,globex'],
    ['tcp', 'false'],
    ['image', 'a.example.com/keyproxy:2'],
  ])('and its owner is warned of %s', (name, value) => {
    const pod = injectedPod(before);
    const annotations = { ...(pod.metadata['annotations'] as Json), [`keyproxy.io/${name}`]: value };
    const decision = decide({ ...pod, metadata: { ...pod.metadata, annotations } }, podSettings);
    expect(decision.kind).toBe('unchanged');
    expect(decision.warnings).toEqual([expect.stringContaining(`is not as keyproxy.io/${name} says`)]);
  });

  test('and nothing is said where nothing differs, or a mirror has the image', () => {
    const pod = injectedPod(before);
    expect(decide(pod, podSettings)).toEqual({ kind: 'unchanged', warnings: [] });
    expect(decide(changed(pod, { image: 'mirror.example.com/x/keyproxy:1' }), podSettings).warnings).toEqual([]);
  });
});

test('names with anything in them are told on one line, in quotation marks', () => {
  const pod = {
    metadata: { labels: { 'keyproxy.io/inject': 'true' } },
    spec: {
      containers: [
        {
          name: 'a\n\u001b[31mb',
          ports: [{ containerPort: 9464 }],
          env: [{ name: 'KEYPROXY_ADDRESS', value: 'x' }],
          volumeMounts: [{ name: 'v\n', mountPath: '/run/keyproxy/\n' }],
        },
      ],
    },
  };
  const decision = decide(pod, podSettings);
  const message = decision.kind === 'refused' ? decision.message : '';
  expect(message.match(/the container "a\\n\\u001b\[31mb" /g)).toHaveLength(3);
  expect([...message].every((character) => character >= ' ')).toBe(true);
});
