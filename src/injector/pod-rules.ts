/** Pods that cannot be had with keyproxy, and pods that can, with a danger that their owner should know. */
import { othersOf } from './containers.ts';
import { at, objectsAt, textAt } from './json.ts';
import { tcpPort } from './names.ts';
import { differencesOf } from './present.ts';
import type { Form, SidecarSettings } from './settings.ts';
import { listed, named } from './texts.ts';
import { isForWindows } from './windows.ts';
import type { Wishes } from './wishes.ts';

export interface Judged {
  readonly pod: unknown;
  readonly wishes: Wishes;
  readonly settings: SidecarSettings;
  /** How keyproxy is, or will be, in this pod. */
  readonly form: Form;
}

/** A rule gives one clause for each thing that is in the way. */
type Rule = (judged: Judged) => readonly string[];

const when = (is: boolean, clause: string) => (is ? [clause] : []);

const refusing: readonly Rule[] = [
  ({ pod }) => when(objectsAt(pod, 'spec', 'containers').length === 0, 'the pod has no containers'),
  ({ pod }) =>
    when(
      at(pod, 'metadata', 'annotations', 'kubernetes.io/config.mirror') !== undefined,
      'it is a static pod, which the kubelet starts from a file of the node without asking; run it as another kind of pod',
    ),
  ({ pod }) => when(isForWindows(pod), 'it is for Windows, and keyproxy runs on Linux alone'),
  ({ pod }) =>
    when(
      at(pod, 'spec', 'hostNetwork') === true,
      "it has hostNetwork: true, so keyproxy's ports would be the node's and reachable from outside the pod; take hostNetwork away, or use the node daemon",
    ),
  ({ pod, form }) =>
    when(
      form === 'classic' && ['Never', 'OnFailure'].includes(textAt(pod, 'spec', 'restartPolicy')),
      'it is meant to end, and keyproxy in its classic form would keep it from ending: that takes native sidecars, Kubernetes 1.29',
    ),
  ({ form, settings }) =>
    when(
      form === 'native' && settings.form === 'classic',
      'it has keyproxy as a native sidecar already, and this cluster has none of those: take the container keyproxy out of the pod, and the injector adds it as it has to be here',
    ),
  takenPorts,
  unknownContainers,
];

const warning: readonly Rule[] = [
  ({ pod, settings }) => {
    const shared = (['shareProcessNamespace', 'hostPID'] as const).filter((name) => at(pod, 'spec', name) === true);
    return shared.map(
      (name) =>
        `${name} shows keyproxy's process to the pod's other containers; one that runs as user ${settings.runAsUser} or has SYS_PTRACE can read its keys`,
    );
  },
  ({ pod, form, settings }) =>
    when(
      form === 'classic' && settings.form === 'native' && othersOf(pod).some(({ kind }) => kind === 'init'),
      'init containers have no keyproxy, as the container keyproxy that is in the pod is none of them; take it out of the pod for one that starts before them',
    ),
  ({ pod, wishes, settings }) => differencesOf(pod, wishes, settings),
];

/** Why the pod is refused, one clause each; none where it is not. */
export function refusalsOf(judged: Judged): string[] {
  return refusing.flatMap((rule) => rule(judged));
}

/** What its owner should know, one sentence each. */
export function warningsOf(judged: Judged): string[] {
  return warning.flatMap((rule) => rule(judged));
}

/** All containers of a pod share its ports. */
function takenPorts({ pod, wishes, settings }: Judged): string[] {
  const own = [settings.httpPort, ...(wishes.tcp ? [tcpPort] : [])];
  return othersOf(pod).flatMap(({ name, spec }) =>
    objectsAt(spec, 'ports')
      .filter(
        (port) => (at(port, 'protocol') ?? 'TCP') === 'TCP' && own.some((taken) => taken === at(port, 'containerPort')),
      )
      .map(
        (port) =>
          `the container ${named(name)} has the port ${at(port, 'containerPort')}, which is keyproxy's; use another`,
      ),
  );
}

function unknownContainers({ pod, wishes: { containers = new Set() }, form }: Judged): string[] {
  const kinds = new Map(othersOf(pod).map(({ name, kind }) => [name, kind]));
  const unknown = [...containers].filter((name) => !kinds.has(name));
  const early = [...containers].filter((name) => form === 'classic' && kinds.get(name) === 'init');
  return [
    ...when(
      unknown.length > 0,
      `the annotation keyproxy.io/containers names ${listed(unknown)}, which the pod does not have; it has ${listed([...kinds.keys()])}`,
    ),
    ...when(
      early.length > 0,
      `the annotation keyproxy.io/containers names ${listed(early)}, an init container, which would run before keyproxy in this cluster: that takes native sidecars, Kubernetes 1.29`,
    ),
  ];
}
