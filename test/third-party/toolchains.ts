/** How each toolchain fills a folder with a program, and what a folder's content depends on. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Program, Toolchain } from './programs.ts';
import { run } from './run.ts';

/** One command; the next one runs when it has succeeded. */
export interface Step {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const modules = resolve(import.meta.dirname, 'modules');

/** Asks for version and, for Python, place: an environment is bound to the interpreter that made it. */
const versionArgs: Readonly<Record<Toolchain, readonly string[]>> = {
  go: ['version'],
  python3: ['-c', 'import sys; print(sys.version, sys.base_prefix)'],
};

/**
 * All that decides what an installation of `program` holds: toolchain, packages, and the module that pins them.
 * Undefined where the machine has not the toolchain.
 */
export async function identityOf(program: Program): Promise<string | undefined> {
  const { toolchain, packages } = program;
  const version = await run(toolchain, versionArgs[toolchain]);
  if (version.code !== 0) return undefined;
  const pinned = 'module' in program ? await pinnedBy(program.module) : [];
  return [version.stdout, packages.join('\0'), ...pinned].join('\0');
}

function pinnedBy(module: string): Promise<string[]> {
  return Promise.all(['go.mod', 'go.sum'].map((file) => readFile(join(modules, module, file), 'utf8')));
}

/** What fills `folder` with `program`, in order. */
export function stepsFor(program: Program, folder: string): Promise<Step[]> {
  if (program.toolchain === 'python3') return pythonSteps(program, folder);
  return Promise.resolve('module' in program ? moduleSteps(program, folder) : goSteps(program, folder));
}

function goSteps({ packages }: Program, folder: string): Step[] {
  return packages.map((name) => ({ program: 'go', args: ['install', name], env: { GOBIN: folder } }));
}

/** `-mod=readonly`: what `go.mod` and `go.sum` do not pin is not built. */
function moduleSteps({ module, packages }: Program & { readonly module: string }, folder: string): Step[] {
  const flags = ['-C', join(modules, module), '-mod=readonly', '-trimpath', '-ldflags=-s -w'];
  return [{ program: 'go', args: ['build', ...flags, '-o', join(folder, module), ...packages] }];
}

/** Debian ships Python without `ensurepip`; there the machine's own pip serves the environment. */
async function pythonSteps({ packages }: Program, folder: string): Promise<Step[]> {
  const python = join(folder, 'bin/python');
  const flags = ['--quiet', '--no-input', '--disable-pip-version-check', '--retries', '5', ...packages];
  const { code } = await run('python3', ['-c', 'import ensurepip']);
  if (code === 0) {
    const pip = { program: python, args: ['-m', 'pip', 'install', ...flags] };
    return [{ program: 'python3', args: ['-m', 'venv', folder] }, pip];
  }
  const pip = { program: 'python3', args: ['-m', 'pip', '--python', python, 'install', ...flags] };
  return [{ program: 'python3', args: ['-m', 'venv', '--without-pip', folder] }, pip];
}
