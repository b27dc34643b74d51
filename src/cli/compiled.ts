/**
 * Code that was compiled when the program was built, in a folder beside it (Node.js, "Module compile cache"). It is used
 * where this process cannot change it, as in an image: otherwise one process could leave code behind for the next.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';

/**
 * Has Node take compiled code out of `folder` for all that is loaded from now on; returns the folder, or undefined where
 * there is none or this process can write to it. What was compiled by another version of Node, for another processor or
 * by another user is not found there, and is compiled as if there were no folder.
 */
export function useCompiled(folder: string): string | undefined {
  if (!existsSync(folder) || isWritable(folder)) return undefined;
  enableCompileCache(folder);
  return folder;
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
