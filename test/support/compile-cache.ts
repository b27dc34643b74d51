/**
 * Before the tests that start keyproxy as a process: a folder in which Node keeps what it has compiled, for the length
 * of the run. Each of the many starts then takes half of its processor time (Node.js, "Module compile cache").
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Called by vitest before the first file of the project; what it returns is called after the last one. */
export async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'keyproxy-test-compiled-'));
  process.env['NODE_COMPILE_CACHE'] = folder;
  return () => rm(folder, { recursive: true, force: true });
}
