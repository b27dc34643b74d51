/**
 * The keyproxy that tests start as a process of its own: built as it ships, once for a run, which starts and loads
 * vendors' code in about half of the source's processor time. Node keeps what it has compiled of it for the length of the
 * run too (Node.js, "Module compile cache").
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildKeyproxy } from '../../build.ts';

/** Names the folder to whoever starts keyproxy. Not Node's own variable: the workers would write after its removal. */
const variable = 'KEYPROXY_TEST_PROGRAM';

/** The program as it is before it is built; for tests that look at its modules. */
export const sourceProgram = resolve(import.meta.dirname, '../../src/main.ts');

/** Called by vitest before the first file of the project; what it returns is called after the last one. */
export async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'keyproxy-test-program-'));
  await buildKeyproxy(join(folder, 'built'));
  await mkdir(join(folder, 'compiled'));
  process.env[variable] = folder;
  return () => rm(folder, { recursive: true, force: true });
}

/** The program's file: the built one, or its source in a project without this setup. */
export function testedProgram(): string {
  const folder = process.env[variable];
  return folder === undefined ? sourceProgram : join(folder, 'built/keyproxy.js');
}

/** What a process gets in its environment to make use of what was compiled. */
export function compileCache(): Readonly<Record<string, string>> {
  const folder = process.env[variable];
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: join(folder, 'compiled') };
}
