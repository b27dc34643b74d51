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
import { type Program, type ProgramName, programNames, programs, type Toolchain } from './programs.ts';
import { type Ended, run } from './run.ts';
import { identityOf, stepsFor } from './toolchains.ts';

/** How an installation ended. */
export type Installation =
  | { readonly kind: 'ready'; readonly folder: string; readonly seconds: number; readonly cached: boolean }
  /** This machine has not what it takes; nobody's failure. */
  | { readonly kind: 'no_toolchain'; readonly toolchain: Toolchain }
  | { readonly kind: 'failed'; readonly why: string };

/** All of them, by name. */
export type Installations = Record<ProgramName, Installation>;

const attempts = 3;
const pauseMs = 5_000;
/** The longest that one step may take: a first build of OpenBao, with its downloads, on a slow machine. */
const stepMs = 30 * 60_000;

/** The cache: `KEYPROXY_THIRD_PARTY_CACHE`, else a folder of the user's own cache. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  const own = env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return env['KEYPROXY_THIRD_PARTY_CACHE'] || join(own, 'keyproxy-third-party');
}

/**
 * Installs every program, or finds it in the cache. Toolchains work side by side and each takes its programs one after
 * the other: a build of Go has use for all cores by itself. Never throws.
 */
export async function installAll(cache: string): Promise<Installations> {
  const queues = Map.groupBy(programNames, (name) => programs[name].toolchain);
  const ended = await Promise.all(
    [...queues.values()].map(async (names) => {
      const entries: [ProgramName, Installation][] = [];
      for (const name of names) entries.push([name, await install(name, cache)]);
      return entries;
    }),
  );
  // Every name is in exactly one queue.
  return Object.fromEntries(ended.flat()) as Installations;
}

/** Installs one program, or finds it in the cache. Downloads are tried three times. Never throws. */
async function install(name: ProgramName, cache: string): Promise<Installation> {
  const program: Program = programs[name];
  const start = performance.now();
  try {
    const identity = await identityOf(program);
    if (identity === undefined) return { kind: 'no_toolchain', toolchain: program.toolchain };
    const folder = join(cache, `${name}-${createHash('sha256').update(identity).digest('hex').slice(0, 16)}`);
    const ready = (cached: boolean): Installation => {
      return { kind: 'ready', folder, seconds: (performance.now() - start) / 1000, cached };
    };
    if (await exists(folder)) return ready(true);
    say(`installs ${name} (${program.toolchain})`);
    const failure = await withAttempts(() => fill(program, folder));
    const seconds = Math.round((performance.now() - start) / 1000);
    say(failure === undefined ? `has ${name} after ${seconds} s` : `has no ${name} after ${seconds} s: ${failure}`);
    return failure === undefined ? ready(false) : { kind: 'failed', why: failure };
  } catch (error) {
    return { kind: 'failed', why: error instanceof Error ? error.message : 'unknown reason' };
  }
}

/** A first run takes many minutes, and whoever waits sees what for. */
function say(what: string): void {
  process.stdout.write(`third-party ${what}\n`);
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
    for (const step of await stepsFor(program, draft)) {
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
