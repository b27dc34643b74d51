/** What becomes of one input that was kept. */
import { lineOf } from './corpus-file.ts';
import type { Target } from './target.ts';

/** The promise that the input breaks, with the input as a line of its corpus; undefined where it breaks none. */
export async function failureOf(target: Target, input: Buffer): Promise<string | undefined> {
  try {
    await target.run(input);
    return undefined;
  } catch (error) {
    return `${error} with ${lineOf(input)}`;
  }
}
