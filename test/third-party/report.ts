/** The last lines of a run: what was installed, and server by server what ran on it. */
import { basename } from 'node:path';
import { styleText } from 'node:util';
import type { RunnerTask, RunnerTestCase, RunnerTestFile } from 'vitest';
import type { ProviderName } from '../../src/kms/key-service.ts';
import { admissionLines } from './admission-table.ts';
import type { Installation, Installations } from './install.ts';
import { programNames, programs } from './programs.ts';
import { type Endpoints, type ServerName, serverNames, servers } from './servers.ts';

/** What has to be shown on at least one server of every provider, and the tests of the contract that show it. */
const behaviours: Readonly<Record<string, RegExp>> = {
  'round trip': /^(generates a data key of|wraps) \d+ /,
  tampering: /^takes a (changed byte|ciphertext that is cut)/,
  'crossed keys': /^neither owns nor opens what another key wrapped/,
  'wrong context': /^binds the context/,
};

/** Providers whose services somebody else has to have written for this suite. */
const foreignProviders: readonly ProviderName[] = ['aws_kms', 'azure_kv', 'gcp_kms', 'vault'];

interface Run {
  readonly installations: Readonly<Installations>;
  readonly endpoints: Readonly<Endpoints>;
  /** Every file of tests, after its run. */
  readonly files: readonly RunnerTestFile[];
}

/** Prints them. A run without any server sets the exit code of a failure. */
export function report({ installations, endpoints, files }: Run): void {
  const lines = [
    ...programLines(installations),
    ...serverLines(endpoints, files),
    ...admissionLines(files.flatMap(testsOf)),
  ];
  const missing = programNames.filter((name) => installations[name].kind !== 'ready');
  const running = serverNames.filter((name) => endpoints[name] !== undefined);
  const bare = foreignProviders.filter((provider) => !running.some((name) => servers[name].provider === provider));
  const rest = [
    missing.length === 0 ? 'nothing missing' : `MISSING: ${missing.join(', ')}`,
    ...(bare.length === 0 ? [] : [`NO SERVER of others' for: ${bare.join(', ')}`]),
  ].join('; ');
  const counts = `${programNames.length - missing.length} of ${programNames.length} programs`;
  const summary = `third-party: ${counts}, servers run: ${running.length}, ${rest}`;
  const good = missing.length === 0 && bare.length === 0;
  process.stdout.write(`${lines.join('\n')}\n${styleText(good ? 'green' : 'red', summary)}\n`);
  if (running.length > 0) return;
  process.stdout.write(`${styleText('red', 'third-party: no server ran, so this run has proven nothing and fails')}\n`);
  process.exitCode = 1;
}

function programLines(installations: Readonly<Installations>): string[] {
  return programNames.map((name) => {
    const { packages, purpose } = programs[name];
    return `third-party ${name} (${purpose}; ${packages.join(' ')}): ${told(installations[name])}`;
  });
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

/** A line a server: what its files of tests, those whose names begin with the server's, came to. */
function serverLines(endpoints: Readonly<Endpoints>, files: readonly RunnerTestFile[]): string[] {
  return serverNames.map((name) => {
    const { provider } = servers[name];
    if (endpoints[name] === undefined) return `third-party server ${name} (${provider}): NOT RUN`;
    const tests = files.filter((file) => isAbout(name, file)).flatMap(testsOf);
    const shown = Object.entries(behaviours).map(([behaviour, title]) => {
      return `${behaviour} ${count(tests, 'pass', title)}`;
    });
    const failed = count(tests, 'fail');
    const totals = `${count(tests, 'pass')} passed, ${count(tests, 'skip')} skipped`;
    return `third-party server ${name} (${provider}): ${totals}${failed > 0 ? `, ${failed} FAILED` : ''}; ${shown.join(', ')}`;
  });
}

function isAbout(name: ServerName, file: RunnerTestFile): boolean {
  return new RegExp(`^${name}(-[\\w-]+)?\\.test\\.ts$`).test(basename(file.filepath));
}

function testsOf(task: RunnerTask): RunnerTestCase[] {
  return task.type === 'suite' ? task.tasks.flatMap(testsOf) : [task];
}

function count(tests: readonly RunnerTestCase[], state: 'pass' | 'skip' | 'fail', title = /^/): number {
  const of = (test: RunnerTestCase) => test.result?.state ?? 'skip';
  return tests.filter((test) => of(test) === state && title.test(test.name)).length;
}
