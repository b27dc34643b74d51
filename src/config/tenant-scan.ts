/**
 * One look at a folder of tenant files, one tenant each: `*.yaml` and `*.yml`, links followed, hidden names skipped. That is how
 * Kubernetes mounts a ConfigMap: `a.yaml` links to `..data/a.yaml`, and `..data` is a link that is replaced as a
 * whole when the ConfigMap changes.
 */
import { createHash } from 'node:crypto';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../base/system-code.ts';
import { boundedRead, notUtf8, textOf } from './file.ts';
import type { TenantFileOptions } from './key-block.ts';
import type { ConfigProblem } from './problem.ts';
import { parseTenantFile, type TenantConfig } from './tenant-file.ts';

/** A tenant with the file that it came from. */
export interface LoadedTenant {
  readonly config: TenantConfig;
  readonly file: string;
  /** SHA-256 of the file's bytes: two of the same hash are the same configuration. */
  readonly hash: string;
}

/** What one look at a file found. */
export type FileState =
  | { readonly kind: 'good'; readonly tenant: LoadedTenant }
  /** `hash` is that of the bytes, or of the reason why there are none. */
  | { readonly kind: 'bad'; readonly hash: string; readonly problems: readonly ConfigProblem[] };

/** What one look at the folder found. */
export type DirectoryScan =
  | { readonly kind: 'read'; readonly files: ReadonlyMap<string, FileState> }
  | { readonly kind: 'unreadable'; readonly problem: ConfigProblem };

/** Files that are read at the same time. */
const parallelReads = 16;

/** Looks at the folder once. Files whose bytes are as in `previous` are taken from there and not parsed again. */
export async function scanTenantDirectory(
  path: string,
  options: TenantFileOptions,
  previous?: DirectoryScan,
): Promise<DirectoryScan> {
  const known = previous?.kind === 'read' ? previous.files : new Map<string, FileState>();
  for (let attempt = 1; ; attempt++) {
    const generation = await mountGeneration(path);
    const scan = await readOnce(path, options, known);
    // A ConfigMap that was replaced meanwhile would mix its old files with its new ones.
    if (attempt === 3 || (await mountGeneration(path)) === generation) return scan;
  }
}

async function readOnce(
  path: string,
  options: TenantFileOptions,
  known: ReadonlyMap<string, FileState>,
): Promise<DirectoryScan> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (error) {
    const message = `the folder of tenant files cannot be read (${codeOf(error)})`;
    return { kind: 'unreadable', problem: { file: path, line: 0, path: '', message } };
  }
  const wanted = names.filter((name) => /^[^.].*\.ya?ml$/.test(name)).sort();
  const files = new Map<string, FileState>();
  for (let start = 0; start < wanted.length; start += parallelReads) {
    const batch = wanted.slice(start, start + parallelReads).map((name) => join(path, name));
    const states = await Promise.all(batch.map((file) => readTenantFile(file, options, known.get(file))));
    for (const [index, file] of batch.entries()) {
      const state = states[index];
      if (state !== undefined) files.set(file, state);
    }
  }
  return { kind: 'read', files };
}

async function readTenantFile(
  file: string,
  options: TenantFileOptions,
  known: FileState | undefined,
): Promise<FileState> {
  const bytes = await boundedRead(file);
  if (typeof bytes === 'string') return bad(file, bytes);
  const hash = createHash('sha256').update(bytes).digest('hex');
  if (known !== undefined && hashOf(known) === hash) return known;
  const text = textOf(bytes);
  if (text === undefined) return { ...bad(file, notUtf8), hash };
  const { config, problems } = parseTenantFile(text, file, options);
  return config === undefined ? { kind: 'bad', hash, problems } : { kind: 'good', tenant: { config, file, hash } };
}

function bad(file: string, message: string): FileState & { kind: 'bad' } {
  return { kind: 'bad', hash: message, problems: [{ file, line: 0, path: '', message }] };
}

/** What the bytes of a file were when it was looked at. */
export function hashOf(state: FileState): string {
  return state.kind === 'good' ? state.tenant.hash : state.hash;
}

/** Where `..data` points, in a folder that Kubernetes mounts; empty elsewhere. */
function mountGeneration(path: string): Promise<string> {
  return readlink(join(path, '..data')).catch(() => '');
}
