/** The pods of the chart: which Pod Security level they meet, and what the node daemon needs of its node. */
import { chmod, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/daemon.ts';
import { type KubernetesObject, minors, objectOf, renderGood, valuesNames } from './helm/chart.ts';
import { folderOf } from './ready.ts';
import { run } from './run.ts';

const helm = folderOf('helm') ?? '';
const podsecurity = folderOf('podsecurity') ?? '';

interface Verdict {
  readonly kind: string;
  readonly name: string;
  readonly level: string;
  readonly forbidden: readonly string[];
}

/** What the evaluator of the API server says of every pod in a manifest. */
async function judge(text: string, minor: number): Promise<Verdict[]> {
  const { code, stdout, stderr } = await run(join(podsecurity, 'podsecurity'), [`v1.${minor}`], { input: text });
  if (code !== 0) throw new Error(stderr);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe.skipIf(helm === '' || podsecurity === '')('Pod Security', () => {
  it.each(minors)(
    'of Kubernetes 1.%i: all pods are restricted, but for those with folders or the network of their node',
    async (minor) => {
      const verdicts = new Map<string, string>();
      for (const values of valuesNames) {
        const { text } = await renderGood(helm, { values, minor });
        for (const { kind, name, level, forbidden } of await judge(text, minor)) {
          verdicts.set(`${kind} ${name} of ${values}`, [level, ...forbidden].join('; '));
        }
      }
      const daemons = (volumes: string) => `privileged; hostPath volumes: ${volumes}`;
      const expected = valuesNames.flatMap((values) => {
        const name = values === 'cert-manager-issuer' ? 'byok' : 'keyproxy';
        const injector = [`Deployment ${name}-injector of ${values}`, `Pod ${name}-injector-test of ${values}`];
        return values === 'node-alone' ? [] : injector.map((pod) => [pod, 'restricted'] as const);
      });
      expect(Object.fromEntries(verdicts)).toEqual({
        ...Object.fromEntries(expected),
        'Deployment keyproxy-injector of host-network': expect.stringMatching(/^privileged; .*host/),
        'DaemonSet keyproxy-node of node': daemons('volumes "socket", "state"'),
        'DaemonSet keyproxy-node of monitored': daemons('volumes "socket", "state"'),
        'DaemonSet keyproxy-node of node-alone': daemons('volume "socket"'),
      });
    },
  );

  it('would see a pod that is not: the injector with a capability, and without a profile for system calls', async () => {
    const { text } = await renderGood(helm);
    const [loose] = await judge(text.replace('drop: [ALL]', 'drop: [ALL], add: [CHOWN]'), 30);
    expect(loose).toMatchObject({
      level: 'baseline',
      forbidden: [expect.stringContaining('unrestricted capabilities')],
    });
    const [open] = await judge(text.replaceAll('seccompProfile: { type: RuntimeDefault }', ''), 30);
    expect(open).toMatchObject({ level: 'baseline', forbidden: [expect.stringContaining('seccompProfile')] });
  });
});

/** The command of the container that gives the node's folders to the daemon, with folders of ours in the place of those. */
function folderCommand(daemonSet: KubernetesObject, folders: Readonly<Record<string, string>>): string[] {
  const { spec } = daemonSet as unknown as {
    spec: { template: { spec: { initContainers: { command: string[] }[] } } };
  };
  const [, ...args] = spec.template.spec.initContainers[0]?.command ?? [];
  return args.map((arg) => Object.entries(folders).reduce((text, [from, to]) => text.replaceAll(from, to), arg));
}

// Root without capabilities, as the container has it: setpriv (util-linux) takes all of them away. Only root can try.
const isRoot = process.getuid?.() === 0;

describe.skipIf(helm === '' || !isRoot)('folders of the node', () => {
  const root = ['--regid=65532', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'];

  it('become the daemon’s group’s by root without a single capability, and the daemon can make its socket there', async () => {
    await using place = await temporaryFolder();
    await chmod(place.path, 0o755);
    const [socket, state] = [join(place.path, 'socket'), join(place.path, 'state')];
    for (const folder of [socket, state]) await mkdir(folder, { mode: 0o755 });
    const { objects } = await renderGood(helm, { values: 'node' });
    const daemonSet = objectOf(objects, 'DaemonSet', 'keyproxy-node');
    const args = folderCommand(daemonSet, { '/run/keyproxy': socket, '/var/lib/keyproxy': state });
    // A second run, as in every new pod of this node, changes nothing.
    for (let runs = 0; runs < 2; runs++) {
      expect(await run('setpriv', [...root, process.execPath, ...args])).toMatchObject({ code: 0, stderr: '' });
    }
    expect(await stat(socket)).toMatchObject({ uid: 0, gid: 65532, mode: 0o40775 });
    expect(await stat(state)).toMatchObject({ uid: 0, gid: 65532, mode: 0o40770 });

    const listen = "require('node:net').createServer().listen(process.argv[1], () => process.exit())";
    const as = (user: number) => ['--reuid', String(user), '--regid', String(user), '--clear-groups', '--no-new-privs'];
    const attempt = (user: number) => {
      return run('setpriv', [...as(user), process.execPath, '--eval', listen, join(socket, `${user}.sock`)]);
    };
    expect(await attempt(65532)).toMatchObject({ code: 0 });
    expect(await attempt(1000)).toMatchObject({ code: 1, stderr: expect.stringContaining('EACCES') });
  });
});
