/**
 * What Node is told when it starts a hardened data plane: its permission model with no more than a daemon needs, and no
 * way in for a debugger (https://nodejs.org/docs/latest-v24.x/api/permissions.html).
 *
 * Reading stays free, because tenants' files name credentials anywhere. Child processes, worker threads, WASI and the
 * inspector are refused because nothing allows them. It restrains this program's own code and that of its packages where
 * they go wrong; it is no cage for code that is out to break it.
 */
import { dirname } from 'node:path';
import type { DaemonConfig } from '../config/daemon-file.ts';

/** What a data plane needs beside reading files and speaking over the network. */
export interface Needs {
  /** Folders that it writes to, absolute; they need not be there yet. */
  readonly writable: readonly string[];
  /** Whether a native module is loaded, which can go around all of it. */
  readonly nativeModules: boolean;
  /** The folder of compiled code that this process can only read (src/cli/compiled.ts); undefined where there is none. */
  readonly compiled?: string | undefined;
}

/** What a configuration needs, and the compiled code of the program. */
export function needsOf(config: DaemonConfig, compiled?: string): Needs {
  const writable = [
    ...socketFoldersOf(config),
    ...stateFolderOf(config),
    ...auditFolderOf(config),
    ...keyFoldersOf(config),
  ];
  return {
    writable: [...new Set(writable)],
    nativeModules: config.listen.some((entry) => entry.kind === 'unix' && entry.peerCredentials),
    compiled,
  };
}

/** The folders of the Unix sockets. */
export function socketFoldersOf({ listen }: DaemonConfig): string[] {
  return listen.flatMap((entry) => (entry.kind === 'unix' ? [dirname(entry.path)] : []));
}

function stateFolderOf({ stateDirectory }: DaemonConfig): string[] {
  return stateDirectory === undefined ? [] : [stateDirectory];
}

/** Full files of the audit log and its lock are beside the file. */
function auditFolderOf({ audit: { sink } }: DaemonConfig): string[] {
  return sink.kind === 'file' ? [dirname(sink.path)] : [];
}

/** Development makes its key file itself. */
function keyFoldersOf({ tenants }: DaemonConfig): string[] {
  if (tenants.kind !== 'embedded') return [];
  return tenants.tenants.flatMap(({ key }) => (key.provider === 'local' ? [dirname(key.keyFile)] : []));
}

/** Node's options for these needs. */
export function hardenedFlags({ writable, nativeModules, compiled }: Needs): string[] {
  // Node reads compiled code only where its model lets it write it as well; the file system does not.
  const allowed = compiled === undefined ? writable : [...writable, compiled];
  return [
    '--permission',
    '--allow-fs-read=*',
    // Node takes what is no folder yet for a file, and the folder's own name does not cover what will be in it.
    ...allowed.flatMap((folder) => [`--allow-fs-write=${folder}`, `--allow-fs-write=${within(folder)}`]),
    // Node's warning about the permission is ours to give.
    ...(nativeModules ? ['--allow-addons', '--disable-warning=PERM0001'] : []),
    '--disable-sigusr1',
  ];
}

function within(folder: string): string {
  return folder.endsWith('/') ? `${folder}*` : `${folder}/*`;
}
