/**
 * Before the suite: installs what nobody here wrote and starts the servers, once for all files. After it: says in the
 * last lines what ran and what did not. A run in which no server ran has proven nothing and fails.
 */
import type { TestProject } from 'vitest/node';
import { cacheFolder, type Installations, installAll } from './install.ts';
import { report } from './report.ts';
import type { RunningServer } from './server-process.ts';
import { type Endpoints, type ServerDescription, type ServerName, serverNames, servers } from './servers.ts';

/** What files of the suite get: `inject('installations')`, `inject('endpoints')`. */
declare module 'vitest' {
  interface ProvidedContext {
    installations: Readonly<Installations>;
    endpoints: Readonly<Endpoints>;
  }
}

/** Called by vitest before the first file of the project; what it returns is called after the last one. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const installations = await installAll(cacheFolder(process.env));
  const stack = new AsyncDisposableStack();
  const endpoints: Endpoints = {};
  await Promise.all(
    serverNames.map(async (name) => {
      const server = await startOf(name, installations);
      if (server !== undefined) endpoints[name] = stack.use(server).endpoint;
    }),
  );
  project.provide('installations', installations);
  project.provide('endpoints', endpoints);
  return async () => {
    await stack.disposeAsync();
    report({ installations, endpoints, files: project.vitest.state.getFiles() });
  };
}

/** Starts a server; where it does not start, that is one more installation that failed. */
async function startOf(name: ServerName, installations: Installations): Promise<RunningServer | undefined> {
  const installation = installations[name];
  if (installation.kind !== 'ready') return undefined;
  const description: ServerDescription = servers[name];
  try {
    return await description.start(installation.folder);
  } catch (error) {
    installations[name] = { kind: 'failed', why: error instanceof Error ? error.message : 'unknown reason' };
    return undefined;
  }
}
