/**
 * Node keeps what it has compiled for the processes that tests start, for the length of a run: each of the many starts of
 * keyproxy then takes half of its processor time (Node.js, "Module compile cache").
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Names the folder to whoever starts keyproxy. Not Node's own variable: the workers would write after its removal. */
const variable = 'KEYPROXY_TEST_COMPILED';

/** Called by vitest before the first file of the project; what it returns is called after the last one. */
export async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'keyproxy-test-compiled-'));
  process.env[variable] = folder;
  return () => rm(folder, { recursive: true, force: true });
}

/** What a process gets in its environment to make use of it. */
export function compileCache(): Readonly<Record<string, string>> {
  const folder = process.env[variable];
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
}
