/**
 * The largest pods that are looked at. Kubernetes has no bound on the number of containers, and checks names after the
 * webhooks; the work for one pod, and its answer, must have one.
 */
import { containersOf, type PodContainer } from './containers.ts';
import { objectsAt, textAt } from './json.ts';
import { shown } from './texts.ts';

const mostContainers = 500;
const mostVolumes = 500;
/** RFC 1123: what the API server takes for a container's or a volume's name. */
const longestName = 63;

/** What makes a pod too large to be looked at, one clause each; none where it is not. */
export function excessOf(pod: unknown): string[] {
  const containers = containersOf(pod);
  const volumes = objectsAt(pod, 'spec', 'volumes');
  return [
    ...tooMany(containers, { what: 'containers', most: mostContainers }),
    ...tooMany(volumes, { what: 'volumes', most: mostVolumes }),
    ...tooLong(
      'container',
      containers.map(({ name }: PodContainer) => name),
    ),
    ...tooLong(
      'volume',
      volumes.map((volume) => textAt(volume, 'name')),
    ),
  ];
}

function tooMany(list: readonly unknown[], { what, most }: { readonly what: string; readonly most: number }): string[] {
  return list.length <= most ? [] : [`the pod has ${list.length} ${what}; at most ${most} can be had`];
}

/** The first one alone. */
function tooLong(what: string, names: readonly string[]): string[] {
  const name = names.find(({ length }) => length > longestName);
  return name === undefined
    ? []
    : [`the ${what} ${shown(name)} has a name of ${name.length} characters; ${longestName} is the most`];
}
