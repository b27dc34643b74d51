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
  return (
    textAt(mount, 'name') === socketVolume &&
    plainPath(textAt(mount, 'mountPath')) === socketFolder &&
    at(mount, 'subPath') === undefined &&
    at(mount, 'subPathExpr') === undefined &&
    (at(mount, 'readOnly') === true) === readOnly
  );
}

/** What a container that is not keyproxy's mounts and must not: keyproxy's volumes, or another where the socket is. */
export function mountClashes({ name, spec }: PodContainer): string[] {
  return objectsAt(spec, 'volumeMounts')
    .filter((mount) => !isSocketMount(mount, { readOnly: true }))
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

/**
 * One spelling of a path. The kubelet takes one that is not absolute from the root (pkg/kubelet, makeMounts); in most
 * images `/var/run` is a link to `/run`.
 */
function plainPath(path: string): string {
  return posix
    .normalize(`/${path}/`)
    .slice(0, -1)
    .replace(/^\/var\/run(?=\/|$)/, '/run');
}
