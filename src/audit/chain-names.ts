/** The names of a chain's files: `PATH`, which is written, and `PATH.<first block>-<last block>` for each that is full. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A file that is full. */
export interface FullFile {
  readonly path: string;
  readonly first: number;
  readonly last: number;
}

/** Digits of a block in a name: names sort as their blocks do. */
const digits = 12;

const fullName = /^(.+)\.(\d{12})-(\d{12})$/;

/** The name of a file that is full. */
export function fullPath(path: string, first: number, last: number): string {
  return `${path}.${String(first).padStart(digits, '0')}-${String(last).padStart(digits, '0')}`;
}

/** Reads such a name: the chain's own path and the blocks; undefined where it is none. */
export function parseFullPath(path: string): (FullFile & { readonly chain: string }) | undefined {
  const [, chain, first, last] = fullName.exec(path) ?? [];
  if (chain === undefined) return undefined;
  return { path, chain, first: Number(first), last: Number(last) };
}

/** The full files of the chain at `path`, the oldest first. Throws the system's error where its folder cannot be read. */
export async function fullFiles(path: string): Promise<readonly FullFile[]> {
  const folder = dirname(path);
  return (await readdir(folder))
    .map((name) => parseFullPath(join(folder, name)))
    .filter((file) => file !== undefined && basename(file.chain) === basename(path))
    .filter((file) => file !== undefined)
    .sort((one, other) => one.first - other.first);
}
