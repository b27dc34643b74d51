/** What the files of this suite have to work with. */
import { inject } from 'vitest';
import type { ProgramName } from './programs.ts';

/** The folder of a program; undefined where it is not there, which skips what needs it. */
export function folderOf(name: ProgramName): string | undefined {
  const installation = inject('installations')[name];
  return installation.kind === 'ready' ? installation.folder : undefined;
}
