/** How each toolchain fills a folder with a program, and what a folder's content depends on. */
import { readdir, readFile } from 'node:fs/promises';
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

/**
 * What has to answer, and what it says of its version and, for Python, its place: an environment is bound to the
 * interpreter that made it.
 */
const versionCommands: Readonly<Record<Toolchain, readonly (readonly [string, ...string[]])[]>> = {
  go: [['go', 'version']],
  python3: [['python3', '-c', 'import sys; print(sys.version, sys.base_prefix)']],
  java: [
    ['javac', '--version'],
    ['mvn', '--quiet', '--version'],
  ],
  debian: [
    ['apt-get', '--version'],
    ['g++', '--version'],
  ],
};

/**
 * All that decides what an installation of `program` holds: toolchain, packages, and the module that pins or builds
 * them. Undefined where the machine has not the toolchain.
 */
export async function identityOf(program: Program): Promise<string | undefined> {
  const { toolchain, packages } = program;
  const versions = await Promise.all(versionCommands[toolchain].map(([command, ...args]) => run(command, args)));
  if (versions.some(({ code }) => code !== 0)) return undefined;
  const files = 'module' in program ? await filesOf(program.module) : [];
  const contents = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  return [...versions.map(({ stdout }) => stdout), packages.join('\0'), ...contents].join('\0');
}

async function filesOf(module: string): Promise<string[]> {
  const names = await readdir(join(modules, module));
  return names.sort().map((name) => join(modules, module, name));
}

/** What fills `folder` with `program`, in order. */
export async function stepsFor(program: Program, folder: string): Promise<Step[]> {
  switch (program.toolchain) {
    case 'python3':
      return pythonSteps(program, folder);
    case 'go':
      return 'module' in program ? moduleSteps(program, folder) : goSteps(program, folder);
    case 'java':
      return javaSteps(program, folder);
    case 'debian':
      return [{ program: 'sh', args: [join(modules, program.module, 'build.sh'), folder, ...program.packages] }];
  }
}

function goSteps({ packages }: Program, folder: string): Step[] {
  return packages.map((name) => ({ program: 'go', args: ['install', name], env: { GOBIN: folder } }));
}

/** `-mod=readonly`: what `go.mod` and `go.sum` do not pin is not built. */
function moduleSteps({ module, packages }: Program & { readonly module: string }, folder: string): Step[] {
  const flags = ['-C', join(modules, module), '-mod=readonly', '-trimpath', '-ldflags=-s -w'];
  return [{ program: 'go', args: ['build', ...flags, '-o', `${folder}/`, ...packages] }];
}

/** The packages into `lib`, as the module's `pom.xml` has them, and the module's programs into `classes`. */
async function javaSteps({ module }: Program & { readonly module: string }, folder: string): Promise<Step[]> {
  const sources = (await filesOf(module)).filter((file) => file.endsWith('.java'));
  const copy = ['dependency:copy-dependencies', `-DoutputDirectory=${join(folder, 'lib')}`];
  const places = ['-d', join(folder, 'classes'), '-cp', join(folder, 'lib/*')];
  return [
    { program: 'mvn', args: ['--batch-mode', '--quiet', '--file', join(modules, module, 'pom.xml'), ...copy] },
    { program: 'javac', args: ['-encoding', 'UTF-8', ...places, ...sources] },
  ];
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
