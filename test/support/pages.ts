/** The project's documents, as its tests read them. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The folder that names of pages begin in. */
export const projectRoot: string = resolve(import.meta.dirname, '../..');

/** The text of a page or of any other file of the project. */
export function readPage(page: string): string {
  return readFileSync(join(projectRoot, page), 'utf8');
}

/** The blocks of code of a page in one language, without their fences. */
export function blocksOf(page: string, language: string): string[] {
  const block = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm');
  return [...readPage(page).matchAll(block)].map(([, text = '']) => text);
}
