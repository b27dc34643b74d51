/**
 * A folder as the root of a process, as an image is: mounts of its own that end with the process, another user, and where
 * asked for, nothing that could be written. It takes Linux and root; a container engine it does not take.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

/** Why this machine has no such roots; undefined where it has. */
export const whyNoRoots: string | undefined =
  process.platform !== 'linux' || process.getuid?.() !== 0 ? 'takes Linux and root' : undefined;

export interface Inside {
  readonly root: string;
  /** Folders of this machine that are seen inside, by their place there; `ro` are only read. */
  readonly mounts: readonly { readonly from: string; readonly at: string; readonly mode: 'ro' | 'rw' }[];
  /** Whether nothing but mounts of mode `rw` can be written. */
  readonly readOnly: boolean;
  /** Numbers, `uid:gid`. */
  readonly user: string;
  readonly env: Readonly<Record<string, string>>;
}

export type ProcessInside = ChildProcessByStdio<null, Readable, Readable>;

/** What an engine sets where an image sets none (containerd, runc); `/` is the home of a user who is in no passwd. */
const engineEnvironment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/' };

/** Mounts, then gives up its own root. Arguments: root, `ro` or `rw`, user, mounts as mode:from:at, `--`, the command. */
const enter = `set -e
root=$1 kind=$2 user=$3; shift 3
mount --rbind "$root" "$root"
while [ "$1" != -- ]; do
  mode=\${1%%:*} rest=\${1#*:}; from=\${rest%%:*} at=\${rest#*:}; shift
  mount --rbind "$from" "$root$at"
  if [ "$mode" = ro ]; then mount -o remount,bind,ro "$root$at"; fi
done
shift
if [ "$kind" = ro ]; then mount -o remount,bind,ro "$root"; fi
exec setpriv --no-new-privs chroot --userspec="$user" "$root" "$@"`;

/** Starts a command inside; its process number is that of what is returned, since each program takes the place of the last. */
export function startInside(inside: Inside, command: readonly string[]): ProcessInside {
  const { root, mounts, readOnly, user, env } = inside;
  for (const { at } of mounts) mkdirSync(join(root, at), { recursive: true });
  const listed = mounts.map(({ mode, from, at }) => `${mode}:${from}:${at}`);
  const script = [enter, 'enter', root, readOnly ? 'ro' : 'rw', user, ...listed, '--', ...command];
  return spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', ...script], {
    env: { ...engineEnvironment, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs a command inside to its end. */
export async function runInside(
  inside: Inside,
  command: readonly string[],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = startInside(inside, command);
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  const code = await new Promise<number | null>((done, fail) => child.once('error', fail).once('close', done));
  return { code, ...said };
}
