/**
 * Installs programs by package name into a cache outside the checkout. A folder of the cache is complete or not there
 * at all: it is filled under another name and then renamed, so that a run that was cut off, or another one at the same
 * time, leaves nothing half-made. Virtual environments bear the renaming because nothing calls their scripts.
 */
import { createHash } from 'node:crypto';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Program, type ProgramName, programs, type Toolchain } from './programs.ts';
import { type Ended, run } from './run.ts';

/** How an installation ended. */
export type Installation =
  | { readonly kind: 'ready'; readonly folder: string; readonly seconds: number; readonly cached: boolean }
  /** This machine has not what it takes; nobody's failure. */
  | { readonly kind: 'no_toolchain'; readonly toolchain: Toolchain }
  | { readonly kind: 'failed'; readonly why: string };

/** One command; the next one runs when it has succeeded. */
interface Step {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const attempts = 3;
const pauseMs = 5_000;
/** The longest that one step may take: a first build of Go on a slow machine. */
const stepMs = 10 * 60_000;

/** Asks for version and, for Python, place: an environment is bound to the interpreter that made it. */
const versionArgs: Readonly<Record<Toolchain, readonly string[]>> = {
  go: ['version'],
  python3: ['-c', 'import sys; print(sys.version, sys.base_prefix)'],
};

/** The cache: `KEYPROXY_THIRD_PARTY_CACHE`, else a folder of the user's own cache. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  const own = env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return env['KEYPROXY_THIRD_PARTY_CACHE'] || join(own, 'keyproxy-third-party');
}

/** Installs one program, or finds it in the cache. Downloads are tried three times. Never throws. */
export async function install(name: ProgramName, cache: string): Promise<Installation> {
  const program: Program = programs[name];
  const start = performance.now();
  const { toolchain } = program;
  const version = await run(toolchain, versionArgs[toolchain]);
  if (version.code !== 0) return { kind: 'no_toolchain', toolchain };
  const identity = createHash('sha256')
    .update(`${version.stdout}\0${program.packages.join('\0')}`)
    .digest('hex');
  const folder = join(cache, `${name}-${identity.slice(0, 16)}`);
  const ready = (cached: boolean): Installation => {
    return { kind: 'ready', folder, seconds: (performance.now() - start) / 1000, cached };
  };
  if (await exists(folder)) return ready(true);
  try {
    const failure = await withAttempts(() => fill(program, folder));
    return failure === undefined ? ready(false) : { kind: 'failed', why: failure };
  } catch (error) {
    return { kind: 'failed', why: error instanceof Error ? error.message : 'unknown reason' };
  }
}

async function withAttempts(attempt: () => Promise<string | undefined>): Promise<string | undefined> {
  for (let left = attempts - 1; ; left--) {
    const failure = await attempt();
    if (failure === undefined || left === 0) return failure;
    await pause(pauseMs);
  }
}

/** Runs the steps of a program in a new folder and puts it in its place; returns why that failed. */
async function fill(program: Program, folder: string): Promise<string | undefined> {
  const draft = `${folder}.${process.pid}`;
  await mkdir(draft, { recursive: true });
  try {
    for (const step of program.toolchain === 'go' ? goSteps(program, draft) : await pythonSteps(program, draft)) {
      const { program: command, args, env } = step;
      const ended = await run(command, args, { timeoutMs: stepMs, ...(env !== undefined && { env }) });
      if (ended.code !== 0) return `${basename(command)} ${args.slice(0, 3).join(' ')}: ${lastLine(ended)}`;
    }
    // Where another run was first, its folder is as good as this one.
    await rename(draft, folder).catch(async (error) => ((await exists(folder)) ? undefined : Promise.reject(error)));
    return undefined;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

function goSteps({ packages }: Program, folder: string): Step[] {
  return packages.map((name) => ({ program: 'go', args: ['install', name], env: { GOBIN: folder } }));
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

/** What a person needs to know of a failure; where packages come from is the machine's own affair. */
function lastLine({ stdout, stderr }: Ended): string {
  const lines = `${stdout}\n${stderr}`.trim().split('\n');
  return (lines.at(-1) || 'ended without a word').replaceAll(/https?:\/\/\S+/g, '(address)');
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
