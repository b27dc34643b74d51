import fc from 'fast-check';
import jsonPatch from 'fast-json-patch';
import { describe, expect, test } from 'vitest';
import { type Decision, decide } from '../../../src/injector/inject.ts';
import { podSettings, podShapes } from '../../support/pod-shapes.ts';

type Json = Record<string, unknown>;
interface Container extends Json {
  readonly name: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[] | null;
  readonly volumeMounts?:
    | readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[]
    | null;
}
interface Pod extends Json {
  readonly metadata: { readonly annotations?: Json | null };
  readonly spec: {
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[] | null;
    readonly volumes?: readonly (Json & { readonly name: string })[] | null;
  };
}

/** What JSON makes of it: what is undefined is not there. */
const copy = (value: unknown) => JSON.parse(JSON.stringify(value)) as Pod;

/** The pod that an API server makes of the patch, by an implementation of RFC 6902 that is not ours. */
function patched(pod: unknown, decision: Decision): Pod {
  if (decision.kind !== 'injected') throw new Error(`it was not injected: ${JSON.stringify(decision)}`);
  return jsonPatch.applyPatch(copy(pod), copy(decision.patch) as never, true, false).newDocument as Pod;
}

const allOf = (pod: Pod) => [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
const names = (list: readonly { readonly name: string }[] | null | undefined) => (list ?? []).map(({ name }) => name);

const isAddress = ({ name }: { readonly name: string }) => name === 'KEYPROXY_ADDRESS';
const isSocket = ({ name }: { readonly name: string }) => name === 'keyproxy-socket';

/** A pod with all of keyproxy's parts taken out again, and empty lists with them. */
function withoutKeyproxy(pod: Pod): unknown {
  const bare = (list: readonly Container[] | null | undefined) =>
    (list ?? [])
      .filter(({ name }) => name !== 'keyproxy')
      .map(({ env, volumeMounts, ...rest }) => ({
        ...rest,
        env: (env ?? []).filter((variable) => !isAddress(variable)),
        volumeMounts: (volumeMounts ?? []).filter((mount) => !isSocket(mount)),
      }));
  const { 'keyproxy.io/status': _status, ...annotations } = pod.metadata.annotations ?? {};
  return {
    ...pod,
    metadata: { ...pod.metadata, annotations },
    spec: {
      ...pod.spec,
      containers: bare(pod.spec.containers),
      initContainers: bare(pod.spec.initContainers),
      volumes: (pod.spec.volumes ?? []).filter(
        ({ name }) => !/^keyproxy-(socket|tenants|state|vault-tokens|secrets)$/.test(name),
      ),
    },
  };
}

function ownVolumes({ metadata: { annotations } }: Pod): string[] {
  const asked = ['vault-tokens', 'secrets'].filter((name) => annotations?.[`keyproxy.io/${name}`] !== undefined);
  return ['socket', 'state', 'tenants', ...asked].map((name) => `keyproxy-${name}`);
}

/** What holds for every pod that was injected, whatever its shape. */
function expectInjected(before: Pod, after: Pod, served: readonly string[]): void {
  expect(withoutKeyproxy(after)).toEqual(withoutKeyproxy(before));
  expect(after.spec.initContainers?.[0]).toMatchObject({ name: 'keyproxy', restartPolicy: 'Always' });
  expect(names(allOf(after)).filter((name) => name === 'keyproxy')).toHaveLength(1);
  expect(names(after.spec.volumes).toSorted()).toEqual(
    [...new Set([...names(before.spec.volumes), ...ownVolumes(before)])].toSorted(),
  );
  expect(after.metadata.annotations?.['keyproxy.io/status']).toBe('injected');
  for (const { name, ...container } of allOf(after)) {
    const [env, volumeMounts] = [container.env ?? [], container.volumeMounts ?? []];
    const [variables, mounts] = [env.filter(isAddress), volumeMounts.filter(isSocket)];
    const own = { name: 'keyproxy-socket', mountPath: '/run/keyproxy' };
    const isServed = served.includes(name);
    if (name === 'keyproxy') expect([variables, mounts]).toEqual([[], [own]]);
    else expect(mounts).toEqual(isServed ? [{ ...own, readOnly: true }] : []);
    if (!isServed) continue;
    expect(variables).toEqual([{ name: 'KEYPROXY_ADDRESS', value: 'unix:///run/keyproxy/keyproxy.sock' }]);
    expect(new Set(volumeMounts.map(({ mountPath }) => mountPath)).size).toBe(volumeMounts.length);
  }
}

test('the table of shapes has at least fifty, each of a name of its own', () => {
  expect(new Set(podShapes.map(({ name }) => name)).size).toBe(podShapes.length);
  expect(podShapes.length).toBeGreaterThanOrEqual(50);
});

describe.each(podShapes)('a pod with $name', ({ pod, expect: outcome, because, warns, served }) => {
  const before = copy(pod);
  const decision = decide(before, podSettings);

  test(`is ${outcome}`, () => {
    expect(decision.kind).toBe(outcome);
    if (decision.kind === 'refused') expect(decision.message).toMatch(because ?? /^$/);
    else expectInjected(before, patched(before, decision), served ?? names(allOf(before)));
    expect(decision.warnings.join('\n')).toMatch(warns ?? /^$/);
  });

  test('is decided upon without a change to it', () => {
    expect(before).toEqual(copy(pod));
  });
});

describe.each(podShapes.filter((shape) => shape.expect === 'injected'))('a pod with $name', ({ pod }) => {
  test('is left alone when it comes again', () => {
    const before = copy(pod);
    const again = decide(patched(before, decide(before, podSettings)), podSettings);
    expect(again.kind).toBe('unchanged');
  });
});

test('a pod without the label is left alone', () => {
  const pod = { metadata: { labels: { 'keyproxy.io/inject': 'false' } }, spec: { containers: [{ name: 'keyproxy' }] } };
  expect(decide(pod, podSettings)).toEqual({ kind: 'unchanged', warnings: [] });
});

test('a container that another webhook added after the first pass gets the socket in the second', () => {
  const [shape] = podShapes;
  const first = patched(shape?.pod, decide(shape?.pod, podSettings));
  const mesh = { name: 'mesh', image: 'mesh:1' };
  const pod = { ...first, spec: { ...first.spec, containers: [mesh, ...first.spec.containers] } };
  const second = patched(pod, decide(pod, podSettings));
  expectInjected(
    copy(shape?.pod),
    { ...second, spec: { ...second.spec, containers: second.spec.containers.slice(1) } },
    ['app'],
  );
  expect(second.spec.containers[0]).toMatchObject({ env: [{ name: 'KEYPROXY_ADDRESS' }] });
});

test('what others do to the container meanwhile leaves it keyproxy', () => {
  const [shape] = podShapes;
  const first = patched(shape?.pod, decide(shape?.pod, podSettings));
  const [sidecar] = first.spec.initContainers ?? [];
  const changed = {
    ...sidecar,
    image: 'mirror.example.com/keyproxy:0.1.0',
    resources: { requests: { cpu: '2' } },
    terminationMessagePath: '/dev/termination-log',
    env: [...(sidecar?.env ?? []), { name: 'AWS_ROLE_ARN', value: 'arn:aws:iam::123456789012:role/app' }],
    volumeMounts: [{ name: 'kube-api-access', mountPath: '/var/run/secrets' }, ...(sidecar?.volumeMounts ?? [])],
  };
  const pod = { ...first, spec: { ...first.spec, initContainers: [changed] } };
  expect(decide(pod, podSettings).kind).toBe('unchanged');
});

test('a pod of a file on the node is refused', () => {
  const pod = {
    metadata: { labels: { 'keyproxy.io/inject': 'true' }, annotations: { 'kubernetes.io/config.mirror': 'x' } },
    spec: { containers: [] },
  };
  expect(decide(pod, podSettings)).toMatchObject({ kind: 'refused', message: expect.stringMatching(/static pod/) });
});

describe('in a cluster without native sidecars', () => {
  const classic = { ...podSettings, form: 'classic' } as const;
  const shape = (name: string) => podShapes.find((candidate) => candidate.name === name)?.pod;

  test('keyproxy is the first container, and init containers, which run before it, have no address', () => {
    const after = patched(shape('an init container'), decide(shape('an init container'), classic));
    expect(names(after.spec.containers)).toEqual(['keyproxy', 'app']);
    expect(after.spec.containers[0]).not.toHaveProperty('restartPolicy');
    expect(after.spec.containers[0]).toMatchObject({
      lifecycle: {
        postStart: {
          exec: { command: ['/nodejs/bin/node', '/opt/keyproxy/keyproxy.js', 'health', '--wait', '120'] },
        },
      },
    });
    expect(after.spec.initContainers).toEqual([{ name: 'migrate', image: 'registry.example.com/app:1' }]);
    expect(after.spec.containers[1]).toMatchObject({ env: [{ name: 'KEYPROXY_ADDRESS' }] });
    expect(decide(after, classic).kind).toBe('unchanged');
    // In a newer cluster too, it stays what it is.
    expect(decide(after, podSettings).kind).toBe('unchanged');
  });

  test('kubectl still takes the application for the container that is meant, where nobody has said another', () => {
    const annotations = (pod: unknown) => patched(pod, decide(pod, classic)).metadata.annotations;
    const name = 'kubectl.kubernetes.io/default-container';
    expect(annotations(shape('two containers'))).toEqual({ 'keyproxy.io/status': 'injected', [name]: 'app' });
    const pod = copy(shape('two containers'));
    const said = { ...pod, metadata: { ...pod.metadata, annotations: { [name]: 'log' } } };
    expect(annotations(said)).toEqual({ 'keyproxy.io/status': 'injected', [name]: 'log' });
  });

  test.each(['a job: restartPolicy Never', 'a job: restartPolicy OnFailure'])(
    '%s is refused, as it would never end',
    (name) => {
      expect(decide(shape(name), classic)).toMatchObject({
        kind: 'refused',
        message: expect.stringMatching(/meant to end/),
      });
    },
  );

  test('an init container that is named by annotation is refused', () => {
    expect(decide(shape('an init container alone'), classic)).toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/names migrate, an init container/),
    });
  });
});

describe('any pod', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/);
  const container = fc.record(
    {
      name,
      env: fc.option(
        fc.uniqueArray(fc.record({ name, value: fc.string() }), { selector: (item) => item.name, maxLength: 3 }),
      ),
      volumeMounts: fc.option(
        fc.uniqueArray(fc.record({ name, mountPath: name.map((part) => `/${part}`) }), {
          selector: (item) => item.mountPath,
          maxLength: 3,
        }),
      ),
    },
    { requiredKeys: ['name'] },
  );
  const pod = fc
    .record(
      {
        all: fc.uniqueArray(container, { selector: (item) => item.name, minLength: 1, maxLength: 6 }),
        inits: fc.nat(5),
        volumes: fc.option(
          fc.uniqueArray(fc.record({ name, emptyDir: fc.constant({}) }), {
            selector: (item) => item.name,
            maxLength: 3,
          }),
        ),
        annotations: fc.option(
          fc.dictionary(
            fc.string({ minLength: 1 }).filter((key) => key !== '__proto__'),
            fc.string(),
            { maxKeys: 3 },
          ),
        ),
      },
      { requiredKeys: ['all', 'inits'] },
    )
    .map(({ all, inits, volumes, annotations }) =>
      copy({
        metadata: { labels: { 'keyproxy.io/inject': 'true' }, annotations },
        spec: {
          containers: all.slice(Math.min(inits, all.length - 1)),
          initContainers: all.slice(0, Math.min(inits, all.length - 1)),
          volumes,
        },
      }),
    );

  test('is injected whole, with nothing else changed, and only once', () => {
    fc.assert(
      fc.property(pod, (before) => {
        const after = patched(before, decide(before, podSettings));
        expectInjected(before, after, names(allOf(before)));
        expect(decide(after, podSettings).kind).toBe('unchanged');
      }),
    );
  });

  test('or anything else that JSON can be is decided upon, and nothing is thrown', () => {
    const labelled = fc.json().map((text) => ({
      metadata: { labels: { 'keyproxy.io/inject': 'true' }, annotations: JSON.parse(text) },
      spec: JSON.parse(text),
    }));
    fc.assert(
      fc.property(
        fc.oneof(
          labelled,
          fc.json().map((text) => JSON.parse(text)),
        ),
        (document) => {
          expect(['injected', 'refused', 'unchanged']).toContain(decide(document, podSettings).kind);
        },
      ),
    );
  });
});
