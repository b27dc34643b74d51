/** Where the files that ship beside the program are, in a checkout and in a build. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The path of `proto/<name>`: in the folder of the program, or in one above it. */
export function protoFile(name: string): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const path = join(folder, 'proto', name);
    if (existsSync(path)) return path;
    if (folder === dirname(folder)) throw new Error(`proto/${name} is missing; it ships beside the program`);
  }
}
