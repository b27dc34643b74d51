/** The containers of a pod, each with its place in the document. */
import { type JsonObject, objectsAt, textAt } from './json.ts';
import { containerName } from './names.ts';

export interface PodContainer {
  readonly name: string;
  readonly kind: 'application' | 'init';
  /** The way to it in the pod. */
  readonly path: readonly (string | number)[];
  readonly spec: JsonObject;
}

const lists = [
  { kind: 'init', list: 'initContainers' },
  { kind: 'application', list: 'containers' },
] as const;

/** All containers, keyproxy's own included. Ephemeral ones cannot be there when a pod is created. */
export function containersOf(pod: unknown): PodContainer[] {
  return lists.flatMap(({ kind, list }) =>
    objectsAt(pod, 'spec', list).map((spec, index) => ({
      ...{ kind, spec, name: textAt(spec, 'name') },
      path: ['spec', list, index],
    })),
  );
}

/** The containers that are not keyproxy's. */
export function othersOf(pod: unknown): PodContainer[] {
  return containersOf(pod).filter(({ name }) => name !== containerName);
}
