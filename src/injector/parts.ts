/**
 * The parts of the pod that keyproxy needs, one by one: each is absent and added, there already and left alone, or in the
 * way and refused. So a second pass over a pod that was injected gives an empty patch, and one over a pod to which
 * somebody has added a container meanwhile gives what that container lacks.
 */
import { posix } from 'node:path';
import { containersOf, othersOf, type PodContainer } from './containers.ts';
import { at, type JsonObject, objectIn, objectsAt, textAt } from './json.ts';
import {
  address,
  addressVariable,
  annotationPrefix,
  containerName,
  defaultContainerAnnotation,
  injectedStatus,
  socketFolder,
  socketVolume,
  stateVolume,
  statusAnnotation,
} from './names.ts';
import { type Addition, addToList, setKeys } from './patch.ts';
import type { Form, SidecarSettings } from './settings.ts';
import { sidecarArgs, sidecarFor, socketMount, volumesFor } from './sidecar.ts';
import { named } from './texts.ts';
import type { Wishes } from './wishes.ts';

/** What to add, and what is in the way, one clause each. */
export interface Part {
  readonly additions: readonly Addition[];
  readonly clashes: readonly string[];
}

const nothing: Part = { additions: [], clashes: [] };

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
      same === undefined || contains(same, volume)
        ? []
        : [`the pod has a volume ${volume['name']} of its own, a name that is keyproxy's; rename it`],
    ),
  };
}

/** keyproxy's container, before all others of its kind. */
export function sidecarPart(pod: unknown, wishes: Wishes, settings: SidecarSettings): Part {
  const present = containersOf(pod).find(({ name }) => name === containerName);
  if (present !== undefined) {
    if (isOurs(present)) return nothing;
    const clash = `the pod has a container ${containerName} of its own, a name that is keyproxy's; rename it`;
    return { additions: [], clashes: [clash] };
  }
  const list = settings.form === 'native' ? 'initContainers' : 'containers';
  const items = [sidecarFor(wishes, settings)];
  return { additions: addToList(pod, ['spec', list], { items, place: 'first' }), clashes: [] };
}

/**
 * Whether this is what an injector made. Others may have changed it since: a mirror of images, a webhook for credentials,
 * an autoscaler of resources; so only that is looked at which makes it keyproxy.
 */
function isOurs({ kind, spec }: PodContainer): boolean {
  const runsOn = kind === 'application' || at(spec, 'restartPolicy') === 'Always';
  const args = at(spec, 'args');
  const isServing = Array.isArray(args) && args.join(' ') === sidecarArgs.join(' ');
  return runsOn && isServing && objectsAt(spec, 'volumeMounts').some((mount) => isSocketMount(mount));
}

/** The socket and its address in every container that is to have them. */
export function applicationsPart(pod: unknown, wishes: Wishes, form: Form): Part {
  const parts = othersOf(pod).map((container) =>
    isServed(container, wishes, form) ? joined([mountPart(pod, container), variablePart(pod, container)]) : nothing,
  );
  return joined(parts);
}

/** An init container runs before a classic sidecar: an address would only lead it to nobody. */
function isServed({ name, kind }: PodContainer, { containers }: Wishes, form: Form): boolean {
  return containers === undefined ? kind === 'application' || form === 'native' : containers.has(name);
}

function mountPart(pod: unknown, { name, path, spec }: PodContainer): Part {
  const mounts = objectsAt(spec, 'volumeMounts');
  const foreign = mounts.filter((mount) => !isSocketMount(mount) || at(mount, 'readOnly') !== true);
  const clashes = foreign.flatMap((mount) => {
    const [volume, place] = [textAt(mount, 'name'), textAt(mount, 'mountPath')];
    if (volume === socketVolume || volume === stateVolume) {
      return [`the container ${named(name)} mounts keyproxy's volume ${volume} itself; take the mount away`];
    }
    return isWithinSocketFolder(place)
      ? [
          `the container ${named(name)} mounts ${named(volume)} at ${named(place)}, where keyproxy's socket is; mount it elsewhere`,
        ]
      : [];
  });
  const isThere = mounts.some((mount) => isSocketMount(mount) && at(mount, 'readOnly') === true);
  const items = isThere ? [] : [socketMount({ readOnly: true })];
  return { additions: addToList(pod, [...path, 'volumeMounts'], { items, place: 'last' }), clashes };
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

/** The form of the sidecar that is in the pod already; undefined where there is none. */
export function presentForm(pod: unknown): Form | undefined {
  const present = containersOf(pod).find(({ name }) => name === containerName);
  return present && (present.kind === 'init' ? 'native' : 'classic');
}

/** One part after the other. */
export function joined(parts: readonly Part[]): Part {
  return {
    additions: parts.flatMap(({ additions }) => additions),
    clashes: parts.flatMap(({ clashes }) => clashes),
  };
}

function isSocketMount(mount: JsonObject): boolean {
  return (
    textAt(mount, 'name') === socketVolume &&
    plainPath(textAt(mount, 'mountPath')) === socketFolder &&
    at(mount, 'subPath') === undefined &&
    at(mount, 'subPathExpr') === undefined
  );
}

function isWithinSocketFolder(path: string): boolean {
  return `${plainPath(path)}/`.startsWith(`${socketFolder}/`);
}

/** One spelling of a path. In most images `/var/run` is a link to `/run`. */
function plainPath(path: string): string {
  return posix
    .normalize(`${path}/`)
    .slice(0, -1)
    .replace(/^\/var\/run(?=\/|$)/, '/run');
}

/** Whether `value` has all of `wanted`; what the API server has added by default may be beside it. */
function contains(value: unknown, wanted: unknown): boolean {
  const fields = objectIn(wanted);
  if (fields === undefined) return value === wanted;
  return Object.entries(fields).every(([name, field]) => contains(at(value, name), field));
}
