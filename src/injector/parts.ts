/**
 * The parts of the pod that keyproxy needs, one by one: each is absent and added, there already and left alone, or in the
 * way and refused. So a second pass over a pod that was injected gives an empty patch, and one over a pod to which
 * somebody has added a container meanwhile gives what that container lacks.
 */
import { othersOf, type PodContainer } from './containers.ts';
import { at, objectsAt } from './json.ts';
import { isSocketMount, mountClashes } from './mounts.ts';
import {
  address,
  addressVariable,
  annotationPrefix,
  containerName,
  defaultContainerAnnotation,
  injectedStatus,
  statusAnnotation,
} from './names.ts';
import { type Addition, addToList, setKeys } from './patch.ts';
import { isOurs, lacksOf, presentSidecar } from './present.ts';
import type { Form, SidecarSettings } from './settings.ts';
import { sidecarFor, socketMount, volumesFor } from './sidecar.ts';
import { fewOf, named } from './texts.ts';
import { serves } from './volumes.ts';
import type { Wishes } from './wishes.ts';

/** What to add, and what is in the way, one clause each. */
export interface Part {
  readonly additions: readonly Addition[];
  readonly clashes: readonly string[];
}

/** Volumes that are missing. */
export function volumesPart(pod: unknown, wishes: Wishes): Part {
  const present = objectsAt(pod, 'spec', 'volumes');
  const wanted = volumesFor(wishes).map((volume) => ({
    volume,
    same: present.find(({ name }) => name === volume['name']),
  }));
  const missing = wanted.flatMap(({ volume, same }) => (same === undefined ? [volume] : []));
  return {
    additions: addToList(pod, ['spec', 'volumes'], { items: missing, place: 'last' }),
    clashes: wanted.flatMap(({ volume, same }) =>
      same === undefined || serves(same, volume)
        ? []
        : [
            `the pod has a volume ${volume['name']} that is not keyproxy's as it has to be; rename it, or correct the webhook that has changed it`,
          ],
    ),
  };
}

/** keyproxy's container, before all others of its kind. */
export function sidecarPart(pod: unknown, wishes: Wishes, settings: SidecarSettings): Part {
  const present = presentSidecar(pod);
  if (present !== undefined) return { additions: [], clashes: sidecarClashes(present, wishes) };
  const list = settings.form === 'native' ? 'initContainers' : 'containers';
  const items = [sidecarFor(wishes, settings)];
  return { additions: addToList(pod, ['spec', list], { items, place: 'first' }), clashes: [] };
}

function sidecarClashes(present: PodContainer, wishes: Wishes): string[] {
  if (!isOurs(present)) {
    return [`the pod has a container ${containerName} of its own, a name that is keyproxy's; rename it`];
  }
  const lacks = lacksOf(present, wishes);
  const remedy = 'take it out of the pod for a new one, or correct the webhook that has changed it';
  return lacks.length === 0
    ? []
    : [`the container ${containerName} in the pod is not as keyproxy needs it (${fewOf(lacks).join(', ')}); ${remedy}`];
}

/** The socket and its address in every container that is to have them, and nobody's hand on keyproxy's volumes. */
export function applicationsPart(pod: unknown, wishes: Wishes, form: Form): Part {
  return joined(
    othersOf(pod).flatMap((container) => {
      const mayMount = isServed(container, wishes, form);
      return [
        { additions: [], clashes: mountClashes(container, { mayMount }) },
        ...(mayMount ? [mountPart(pod, container), variablePart(pod, container)] : []),
      ];
    }),
  );
}

/** An init container runs before a classic sidecar: an address would only lead it to nobody. */
function isServed({ name, kind }: PodContainer, { containers }: Wishes, form: Form): boolean {
  return containers === undefined ? kind === 'application' || form === 'native' : containers.has(name);
}

function mountPart(pod: unknown, { path, spec }: PodContainer): Part {
  const isThere = objectsAt(spec, 'volumeMounts').some((mount) => isSocketMount(mount, { readOnly: true }));
  const items = isThere ? [] : [socketMount({ readOnly: true })];
  return { additions: addToList(pod, [...path, 'volumeMounts'], { items, place: 'last' }), clashes: [] };
}

function variablePart(pod: unknown, { name, path, spec }: PodContainer): Part {
  const present = objectsAt(spec, 'env').filter((variable) => variable['name'] === addressVariable);
  const clashes = present.some(({ value }) => value !== address)
    ? [
        `the container ${named(name)} sets ${addressVariable} to something else; take it away, or leave the container out of ${annotationPrefix}containers`,
      ]
    : [];
  // First, because a variable is known to those behind it alone: $(KEYPROXY_ADDRESS).
  const items = present.length > 0 ? [] : [{ name: addressVariable, value: address }];
  return { additions: addToList(pod, [...path, 'env'], { items, place: 'first' }), clashes };
}

/** Tells whoever looks at the pod, and keeps kubectl from taking a first container for the pod's own. */
export function annotationsPart(pod: unknown, form: Form): Part {
  const path = ['metadata', 'annotations'];
  const application = form === 'classic' ? othersOf(pod).find(({ kind }) => kind === 'application')?.name : undefined;
  const isMarked = at(pod, ...path, statusAnnotation) === injectedStatus;
  const hasDefault = at(pod, ...path, defaultContainerAnnotation) !== undefined;
  const values = {
    ...(!isMarked && { [statusAnnotation]: injectedStatus }),
    ...(application !== undefined && !hasDefault && { [defaultContainerAnnotation]: application }),
  };
  return { additions: setKeys(pod, path, values), clashes: [] };
}

/** One part after the other. */
export function joined(parts: readonly Part[]): Part {
  return {
    additions: parts.flatMap(({ additions }) => additions),
    clashes: parts.flatMap(({ clashes }) => clashes),
  };
}
