/** A sidecar that is in the pod before the injector looks at it: of an earlier pass, or of a pod that was copied. */
import { containersOf, type PodContainer } from './containers.ts';
import { at, type JsonObject, objectIn, objectsAt, textAt } from './json.ts';
import { isSameMount, isSocketMount, touchesSocket } from './mounts.ts';
import { annotationPrefix, containerName } from './names.ts';
import type { Form, SidecarSettings } from './settings.ts';
import { listenVariables, mountsFor, sidecarArgs, variables } from './sidecar.ts';
import { named } from './texts.ts';
import type { Wishes } from './wishes.ts';

/** The container of keyproxy's name; undefined where there is none. */
export function presentSidecar(pod: unknown): PodContainer | undefined {
  return containersOf(pod).find(({ name }) => name === containerName);
}

/** How the sidecar that is in the pod was put there; undefined where there is none. */
export function presentForm(pod: unknown): Form | undefined {
  const present = presentSidecar(pod);
  return present && (present.kind === 'init' ? 'native' : 'classic');
}

/**
 * Whether this is what an injector made, by what it runs and where its socket is. Others may have changed it since: a
 * mirror of images, a webhook for credentials, an autoscaler of resources; what they may not take away is in `lacksOf`.
 */
export function isOurs({ kind, spec }: PodContainer): boolean {
  const runsOn = kind === 'application' || at(spec, 'restartPolicy') === 'Always';
  const [command, args] = [at(spec, 'command') ?? [], at(spec, 'args')];
  return (
    runsOn &&
    Array.isArray(command) &&
    command.length === 0 &&
    Array.isArray(args) &&
    args.length === sidecarArgs.length &&
    sidecarArgs.every((argument, index) => args[index] === argument) &&
    objectsAt(spec, 'volumeMounts').some((mount) => isSocketMount(mount, { readOnly: false }))
  );
}

/** What keeps a sidecar that is ours from working, or from being what it was made as; a few words each. */
export function lacksOf({ kind, spec }: PodContainer, wishes: Wishes): string[] {
  const mounts = objectsAt(spec, 'volumeMounts');
  const isOwn = (mount: JsonObject) => mountsFor(wishes).some((wanted) => isSameMount(mount, wanted));
  const start = kind === 'init' ? ['startupProbe'] : ['lifecycle', 'postStart'];
  const unset = listenVariables.filter(([variable, value]) => {
    // Of several of one name the last counts.
    const found = objectsAt(spec, 'env').filter(({ name }) => name === variable);
    return at(found.at(-1), 'value') !== value;
  });
  return [
    ...(objectIn(at(spec, ...start)) === undefined ? [`it has no ${start.join('.')}`] : []),
    ...unset.map(([variable, value]) => `${variable} is not ${value}`),
    ...mountsFor(wishes)
      .filter((wanted) => !mounts.some((mount) => isSameMount(mount, wanted)))
      .map((wanted) => `it does not mount ${wanted['name']} at ${wanted['mountPath']}`),
    ...mounts
      .filter((mount) => !isOwn(mount) && touchesSocket(mount))
      .map((mount) => `it mounts ${named(textAt(mount, 'name'))} at ${named(textAt(mount, 'mountPath'))}`),
    ...(['privileged', 'allowPrivilegeEscalation'] as const)
      .filter((name) => at(spec, 'securityContext', name) === true)
      .map((name) => `it has ${name}: true`),
  ];
}

/** Variables by which a pod's annotations reach the sidecar, with the annotation of each. */
const told = { KEYPROXY_TENANTS: 'tenants', KEYPROXY_LISTEN_TCP: 'tcp' } as const;

/**
 * Where a sidecar that is in the pod already is not what the annotations ask for, one sentence each: it stays as it is. Of
 * an image the registry is not compared, which a mirror changes.
 */
export function differencesOf(pod: unknown, wishes: Wishes, settings: SidecarSettings): string[] {
  const present = presentSidecar(pod);
  if (present === undefined) return [];
  const wanted = new Map(variables(wishes, settings));
  const found = new Map(objectsAt(present.spec, 'env').map(({ name, value }) => [name, value]));
  const differing = Object.entries(told).flatMap(([variable, annotation]) =>
    wanted.get(variable) === found.get(variable) ? [] : [annotation],
  );
  const isOtherImage =
    wishes.image !== settings.image && lastPart(wishes.image) !== lastPart(String(at(present.spec, 'image')));
  return [...differing, ...(isOtherImage ? ['image'] : [])].map(
    (annotation) =>
      `the container ${containerName} was in the pod already and is not as ${annotationPrefix}${annotation} says; it stays, take it out of the pod for a new one`,
  );
}

function lastPart(image: string): string {
  return image.slice(image.lastIndexOf('/') + 1);
}
