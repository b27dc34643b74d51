/** Pods that have a container keyproxy when they come: of an earlier pass, or copied from another place. */
import jsonPatch from 'fast-json-patch';
import { describe, expect, test } from 'vitest';
import { checkNew } from '../../../src/injector/check.ts';
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

describe('a sidecar that was changed until it cannot work, or is something else, is refused', () => {
  const wishes = { secrets: 'byok', 'vault-tokens': 'acme=vault://acme' };
  const whole = injectedPod(wishes).spec.initContainers[0] as Json;
  const env = whole['env'] as readonly Json[];
  const all = whole['volumeMounts'] as readonly Json[];
  const without = (name: string) => ({ volumeMounts: all.filter((mount) => mount['name'] !== name) });
  const socket = { name: 'KEYPROXY_LISTEN_UNIX', value: '/tmp/x' };

  test.each<[string, Json, RegExp]>([
    ['no startup probe', { startupProbe: undefined }, /it has no startupProbe/],
    [
      'no variables',
      { env: undefined },
      /KEYPROXY_LISTEN_UNIX is not \/run\/keyproxy\/keyproxy.sock, .*_MODE is not 0666/,
    ],
    ['another socket', { env: [socket, ...env.slice(1)] }, /KEYPROXY_LISTEN_UNIX is not/],
    ['another socket behind the right one', { env: [...env, socket] }, /KEYPROXY_LISTEN_UNIX is not/],
    ...['tenants', 'state', 'vault-tokens', 'secrets'].map((name): [string, Json, RegExp] => [
      ...([`no mount of ${name}`, without(`keyproxy-${name}`)] as const),
      RegExp(`it does not mount keyproxy-${name} at /`),
    ]),
    [
      'a mount of a part of the tenants',
      { volumeMounts: all.map((mount) => (mount['name'] === 'keyproxy-tenants' ? { ...mount, subPath: 'x' } : mount)) },
      /it does not mount keyproxy-tenants at/,
    ],
    ...['/var/run', '/var/run/keyproxy', '/run/keyproxy/x', '/run//keyproxy/'].map(
      (mountPath): [string, Json, RegExp] => [
        ...([`a mount at ${mountPath}`, { volumeMounts: [...all, { name: 'data', mountPath }] }] as const),
        /it mounts data at \//,
      ],
    ),
    ['all rights', { securityContext: { privileged: true } }, /it has privileged: true/],
    ['more rights', { securityContext: { allowPrivilegeEscalation: true } }, /it has allowPrivilegeEscalation: true/],
  ])('%s', (_what, more, why) => {
    const pod = changed(injectedPod(wishes), more);
    expect(decide(pod, podSettings)).toMatchObject({ kind: 'refused', message: expect.stringMatching(why) });
    expect(checkNew(pod, podSettings)).toMatchObject({ kind: 'refused', message: expect.stringMatching(why) });
  });

  test('of a classic one, the hook for which the others wait', () => {
    const pod = injectedPod(wishes, 'classic');
    const containers = pod.spec.containers.map((container) => ({ ...container, lifecycle: undefined }));
    const decision = decide({ ...pod, spec: { ...pod.spec, containers } }, settingsOf('classic'));
    expect(decision).toMatchObject({ kind: 'refused', message: expect.stringMatching(/no lifecycle\.postStart/) });
  });

  test('but not for what others change with good reason', () => {
    const role = { name: 'AWS_WEB_IDENTITY_TOKEN_FILE', value: '/var/run/secrets/eks.amazonaws.com/token' };
    const mount = { name: 'aws-iam-token', mountPath: '/var/run/secrets/eks.amazonaws.com/serviceaccount' };
    const pod = changed(injectedPod(wishes), {
      ...{ image: 'mirror.example.com/keyproxy:1', resources: {}, env: [role, ...env], volumeMounts: [mount, ...all] },
      // A mesh asks in its own way.
      ...{ startupProbe: { httpGet: { path: '/app-health/keyproxy/startupz', port: 15_020 } } },
      securityContext: { runAsUser: 1000, readOnlyRootFilesystem: true },
    });
    expect(decide(pod, podSettings).kind).toBe('unchanged');
  });
});

test.each(['/run', '/run/', 'run', '/', '/tmp'])(
  'a folder of its own at %s, which a policy gives every container, does not hide the socket',
  (mountPath) => {
    const pod = changed(injectedPod(), { volumeMounts: [...mounts, { name: 'scratch', mountPath }] });
    expect(decide(pod, podSettings).kind).toBe('unchanged');
    expect(checkNew(pod, podSettings).kind).toBe('unchanged');
  },
);

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

describe('a volume of keyproxy that a policy of others has touched', () => {
  const pod = injectedPod({ 'vault-tokens': 'acme=vault://acme' });
  const volumes = pod.spec['volumes'] as readonly Json[];
  const named = (name: string): Json => volumes.find((volume) => volume['name'] === `keyproxy-${name}`) ?? {};
  const decided = (name: string, more: Json) => {
    const others = volumes.filter((volume) => volume !== named(name));
    return decide({ ...pod, spec: { ...pod.spec, volumes: [...others, { ...named(name), ...more }] } }, podSettings);
  };
  const sized = (sizeLimit: unknown) => ({ emptyDir: { medium: 'Memory', sizeLimit } });
  const { sources } = named('vault-tokens')['projected'] as { sources: readonly Json[] };
  const ca = { configMap: { name: 'ca' } };

  test.each<[string, string, Json]>([
    ['another spelling of its size', 'socket', sized('1048576')],
    ['a larger size', 'state', sized('32Mi')],
    ['one more source', 'vault-tokens', { projected: { sources: [ca, ...sources], defaultMode: 420 } }],
  ])('may have %s', (_what, name, more) => {
    expect(decided(name, more).kind).toBe('unchanged');
  });

  test.each<[string, string, Json]>([
    ['a smaller size', 'state', sized('1Mi')],
    ['a size that is none', 'state', sized({})],
    ['no memory', 'state', { emptyDir: { sizeLimit: '16Mi' } }],
    ['no token', 'vault-tokens', { projected: { sources: [ca] } }],
    ['a list that is none', 'vault-tokens', { projected: { sources: 1 } }],
  ])('must not have %s', (_what, name, more) => {
    const message = expect.stringMatching(`volume keyproxy-${name} that is not keyproxy's .*correct the webhook`);
    expect(decided(name, more)).toMatchObject({ kind: 'refused', message });
  });
});

test('a pod that was copied with a classic sidecar is told that its init containers have no keyproxy', () => {
  const pod = injectedPod({}, 'classic');
  const decision = decide(pod, podSettings);
  expect(decision).toEqual({
    kind: 'unchanged',
    warnings: [expect.stringMatching(/init containers have no keyproxy/)],
  });
  const { initContainers: _none, ...spec } = pod.spec;
  expect(decide({ ...pod, spec }, podSettings).warnings).toEqual([]);
  expect(decide(pod, settingsOf('classic')).warnings).toEqual([]);
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
