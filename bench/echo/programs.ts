/**
 * The echo servers that are not TypeScript, built at their first use. They lie in the cache of the third-party suite,
 * each in a folder named after its toolchain and sources, which is complete or not there at all.
 */
import { createHash } from 'node:crypto';
import { access, copyFile, cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../../test/third-party/install.ts';
import { run } from '../../test/third-party/run.ts';

/** A program that can be started, or why there is none. */
export type Program =
  | { readonly kind: 'ready'; readonly file: string }
  | { readonly kind: 'absent'; readonly why: string };

interface Recipe {
  readonly toolchain: string;
  readonly versionArgs: readonly string[];
  /** Arguments that build the sources in a folder that may be written to, and where the program is then. */
  build(folder: string): { readonly args: readonly string[]; readonly result: string };
}

/** By the folder of their sources. */
const recipes = {
  go: {
    toolchain: 'go',
    versionArgs: ['version'],
    build: (folder) => ({
      args: ['build', '-C', folder, '-mod=readonly', '-trimpath', '-o', 'echo', '.'],
      result: join(folder, 'echo'),
    }),
  },
  rust: {
    toolchain: 'cargo',
    versionArgs: ['--version'],
    build: (folder) => {
      const [manifest, target] = [join(folder, 'Cargo.toml'), join(folder, 'target')];
      return {
        args: ['build', '--quiet', '--release', '--manifest-path', manifest, '--target-dir', target],
        result: join(target, 'release/echo'),
      };
    },
  },
} as const satisfies Record<string, Recipe>;

/** The longest that a build with its downloads may take. */
const buildMs = 15 * 60_000;

/** Builds the echo server of a language, or finds it in the cache. Never rejects for want of a toolchain. */
export async function programOf(language: keyof typeof recipes): Promise<Program> {
  const { toolchain, versionArgs }: Recipe = recipes[language];
  const version = await run(toolchain, versionArgs);
  if (version.code !== 0) return { kind: 'absent', why: `${toolchain} is not installed` };
  const sources = join(import.meta.dirname, language);
  const folder = join(cacheFolder(process.env), `bench-echo-${language}-${await digest(version.stdout, sources)}`);
  const file = join(folder, 'echo');
  if (await exists(file)) return { kind: 'ready', file };
  const why = await fill(recipes[language], sources, folder);
  return why === undefined ? { kind: 'ready', file } : { kind: 'absent', why };
}

async function digest(version: string, sources: string): Promise<string> {
  const hash = createHash('sha256').update(version);
  const entries = await readdir(sources, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  for (const file of files.sort()) hash.update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}

/** Builds a copy of `sources`, so that nothing is written beside them, and keeps the program; returns why that failed. */
async function fill(recipe: Recipe, sources: string, folder: string): Promise<string | undefined> {
  const [draft, workshop] = [`${folder}.${process.pid}`, `${folder}.${process.pid}.build`];
  try {
    await mkdir(draft, { recursive: true });
    await cp(sources, workshop, { recursive: true });
    const { args, result } = recipe.build(workshop);
    const { code, stderr } = await run(recipe.toolchain, args, { timeoutMs: buildMs });
    if (code !== 0) return `the build failed: ${lastLine(stderr)}`;
    await copyFile(result, join(draft, 'echo'));
    // Where another run was first, its folder is as good as this one.
    await rename(draft, folder).catch(async (error) => ((await exists(folder)) ? undefined : Promise.reject(error)));
    return undefined;
  } finally {
    await rm(draft, { recursive: true, force: true });
    await rm(workshop, { recursive: true, force: true });
  }
}

/** Where packages come from is the machine's own affair. */
function lastLine(text: string): string {
  return (text.trim().split('\n').at(-1) ?? '').replaceAll(/https?:\/\/\S+/g, '(address)');
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
