/** Reads a file of configuration: a regular one, of a bounded size, in UTF-8. */

import { readFile, stat } from 'node:fs/promises';
import { codeOf } from '../base/system-code.ts';
import { ConfigError } from './problem.ts';

/** The largest file that is read, in bytes. */
export const largestFile = 256 * 1024;

/** The file's bytes, or why there are none. Anything but a regular file is not opened: a pipe would never end. */
export async function boundedRead(file: string): Promise<Buffer | string> {
  const tooLarge = `is larger than the ${largestFile} bytes that a file of configuration may have`;
  try {
    const found = await stat(file);
    if (!found.isFile()) return 'is not a regular file';
    if (found.size > largestFile) return tooLarge;
    const bytes = await readFile(file);
    return bytes.length > largestFile ? tooLarge : bytes;
  } catch (error) {
    return `cannot be read (${codeOf(error)})`;
  }
}

/** The text of bytes; undefined where they are not UTF-8. */
export function textOf(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** What is said of a file whose bytes are no text. */
export const notUtf8 = 'is not valid UTF-8';

/** The text of a file. Throws a ConfigError that says why there is none. */
export async function readConfigFile(file: string): Promise<string> {
  const bytes = await boundedRead(file);
  const text = typeof bytes === 'string' ? undefined : textOf(bytes);
  if (text !== undefined) return text;
  throw new ConfigError([{ file, line: 0, path: '', message: typeof bytes === 'string' ? bytes : notUtf8 }]);
}
