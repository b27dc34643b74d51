/** A sidecar that is in the pod before the injector looks at it: of an earlier pass, or of a pod that was copied. */
import { containersOf, type PodContainer } from './containers.ts';
import { at, objectsAt } from './json.ts';
import { isSocketMount } from './mounts.ts';
import { annotationPrefix, containerName } from './names.ts';
import type { Form, SidecarSettings } from './settings.ts';
import { sidecarArgs, variables } from './sidecar.ts';
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
 * Whether this is what an injector made. Others may have changed it since: a mirror of images, a webhook for credentials,
 * an autoscaler of resources; so only that is looked at which makes it keyproxy.
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
