/** Mounts of a pod's containers, against keyproxy's own. */
import { posix } from 'node:path';
import type { PodContainer } from './containers.ts';
import { at, type JsonObject, objectsAt, textAt } from './json.ts';
import { secretsVolume, socketFolder, socketVolume, stateVolume, tokensVolume } from './names.ts';
import { named } from './texts.ts';

/** Volumes that no other container mounts by itself. */
const privateVolumes: readonly string[] = [socketVolume, stateVolume, tokensVolume, secretsVolume];

/** Whether this is keyproxy's mount of the socket, to be read or to be written to. */
export function isSocketMount(mount: JsonObject, { readOnly }: { readonly readOnly: boolean }): boolean {
  return isSameMount(mount, { name: socketVolume, mountPath: socketFolder, readOnly });
}

/** Whether a mount is all of a volume at one place, to be read or to be written to as another one is. */
export function isSameMount(mount: JsonObject, wanted: JsonObject): boolean {
  return (
    textAt(mount, 'name') === wanted['name'] &&
    normal(textAt(mount, 'mountPath')) === wanted['mountPath'] &&
    at(mount, 'subPath') === undefined &&
    at(mount, 'subPathExpr') === undefined &&
    (at(mount, 'readOnly') === true) === (wanted['readOnly'] === true)
  );
}

/**
 * Whether a mount is where the socket is, below it, or may lie over it. One above it comes first, and the socket's into it,
 * where its path has fewer parts: containerd and CRI-O sort mounts by that. `/var/run` has as many.
 */
export function touchesSocket(mount: JsonObject): boolean {
  const path = textAt(mount, 'mountPath');
  const [place, socket] = [`${plainPath(path)}/`, `${socketFolder}/`];
  return place.startsWith(socket) || (socket.startsWith(place) && partsOf(path) >= partsOf(socketFolder));
}

function partsOf(path: string): number {
  return normal(path).split('/').length;
}

/**
 * What a container that is not keyproxy's mounts and must not: keyproxy's volumes, or another where the socket is. Whether
 * it `mayMount` the socket says if it is one of those that are served.
 */
export function mountClashes({ name, spec }: PodContainer, { mayMount }: { readonly mayMount: boolean }): string[] {
  return objectsAt(spec, 'volumeMounts')
    .filter((mount) => !mayMount || !isSocketMount(mount, { readOnly: true }))
    .flatMap((mount) => {
      const [volume, place] = [textAt(mount, 'name'), textAt(mount, 'mountPath')];
      if (privateVolumes.includes(volume)) {
        return [`the container ${named(name)} mounts keyproxy's volume ${volume} itself; take the mount away`];
      }
      return `${plainPath(place)}/`.startsWith(`${socketFolder}/`)
        ? [
            `the container ${named(name)} mounts ${named(volume)} at ${named(place)}, where keyproxy's socket is; mount it elsewhere`,
          ]
        : [];
    });
}

/** One spelling of a path. The kubelet takes one that is not absolute from the root (pkg/kubelet, makeMounts). */
function normal(path: string): string {
  return posix.normalize(`/${path}/`).slice(0, -1);
}

/** The same for paths that may be one place: in most images `/var/run` is a link to `/run`. */
function plainPath(path: string): string {
  return normal(path).replace(/^\/var\/run(?=\/|$)/, '/run');
}
