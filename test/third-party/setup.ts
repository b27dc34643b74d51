/**
 * Before the suite: installs what nobody here wrote and starts the servers, once for all files. After it: says in the
 * last lines what ran and what did not. A run in which no server ran has proven nothing and fails.
 */
import { styleText } from 'node:util';
import type { TestProject } from 'vitest/node';
import { cacheFolder, type Installation, install } from './install.ts';
import { type MotoServer, startMoto } from './moto-server.ts';
import { type ProgramName, programNames, programs } from './programs.ts';

/** What files of the suite get: `inject('installations')`, `inject('motoEndpoint')`. */
declare module 'vitest' {
  interface ProvidedContext {
    installations: Readonly<Record<ProgramName, Installation>>;
    /** Absent where moto does not run. */
    motoEndpoint: string | undefined;
  }
}

/** Called by vitest before the first file of the project; what it returns is called after the last one. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cache = cacheFolder(process.env);
  const pairs = programNames.map(async (name) => [name, await install(name, cache)] as const);
  const installations = Object.fromEntries(await Promise.all(pairs)) as Record<ProgramName, Installation>;
  const moto = await startOf(installations);
  project.provide('installations', installations);
  project.provide('motoEndpoint', moto?.endpoint);
  return async () => {
    await moto?.[Symbol.asyncDispose]();
    report(installations, moto === undefined ? 0 : 1);
  };
}

/** Starts moto; where it does not start, that is one more installation that failed. */
async function startOf(installations: Record<ProgramName, Installation>): Promise<MotoServer | undefined> {
  if (installations.moto.kind !== 'ready') return undefined;
  try {
    return await startMoto(installations.moto.folder);
  } catch (error) {
    installations.moto = { kind: 'failed', why: error instanceof Error ? error.message : 'unknown reason' };
    return undefined;
  }
}

function report(installations: Readonly<Record<ProgramName, Installation>>, servers: number): void {
  const lines = programNames.map((name) => {
    const { packages, purpose } = programs[name];
    return `third-party ${name} (${purpose}; ${packages.join(' ')}): ${told(installations[name])}`;
  });
  const ready = programNames.filter((name) => installations[name].kind === 'ready');
  const missing = programNames.filter((name) => installations[name].kind !== 'ready');
  const rest = missing.length === 0 ? 'nothing missing' : `MISSING: ${missing.join(', ')}`;
  const summary = `third-party: ${ready.length} of ${programNames.length} programs, servers run: ${servers}, ${rest}`;
  process.stdout.write(`${lines.join('\n')}\n${styleText(missing.length === 0 ? 'green' : 'red', summary)}\n`);
  if (servers > 0) return;
  process.stdout.write(`${styleText('red', 'third-party: no server ran, so this run has proven nothing and fails')}\n`);
  process.exitCode = 1;
}

function told(installation: Installation): string {
  switch (installation.kind) {
    case 'ready':
      return installation.cached ? 'ready, from the cache' : `installed in ${installation.seconds.toFixed(0)} s`;
    case 'no_toolchain':
      return `NOT RUN, this machine has no ${installation.toolchain}`;
    case 'failed':
      return `FAILED, ${installation.why}`;
  }
}
