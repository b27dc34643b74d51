/** `keyproxy serve`: the data plane, until a signal asks it to end. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type DaemonConfig, parseDaemonFile } from '../config/daemon-file.ts';
import { developmentConfig } from '../config/development.ts';
import { readConfigFile } from '../config/file.ts';
import { ConfigError, type Parsed } from '../config/problem.ts';
import { developmentHelp } from './development-help.ts';
import { exitCodes, type Terminal, UsageError } from './exit.ts';
import { type HardenedTerminal, harden } from './hardened.ts';

const usage = `keyproxy serve --config FILE   serves applications as FILE says
keyproxy serve --from-env      serves them as the variables KEYPROXY_… say, without a file
keyproxy serve --dev           serves the tenants demo and demo-2 under a key of its own; not for production
  --no-hardening               leaves Node's inspector, options and permissions as they are; for debugging only`;

/**
 * Runs the data plane, in a process that is hardened once its configuration is known to be sound. Returns once
 * everything has stopped.
 */
export async function serve(args: readonly string[], terminal: HardenedTerminal): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: 'string' },
      'from-env': { type: 'boolean', default: false },
      dev: { type: 'boolean', default: false },
      'no-hardening': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    terminal.out(`usage: ${usage}\n`);
    return exitCodes.ok;
  }
  const sources: Source[] = [
    ...(values.config === undefined ? [] : [{ kind: 'file', file: values.config } as const]),
    ...(values['from-env'] ? [{ kind: 'environment' } as const] : []),
    ...(values.dev ? [{ kind: 'development' } as const] : []),
  ];
  const [source, ...others] = sources;
  if (source === undefined || others.length > 0) {
    throw new UsageError(`serve needs one of --config FILE, --from-env and --dev\n${usage}`);
  }
  const { config, warnings } = await configuration(source, terminal);
  await hardenProcess(terminal, config, !values['no-hardening']);
  // Not before: a process that is about to be replaced has no use for it.
  const { runDataPlane } = await import('../app/run-data-plane.ts');
  await runDataPlane({
    config,
    warnings,
    isDevelopment: values.dev,
    untilSignal: () => terminal.untilSignal(),
    onServing: () => {
      if (values.dev) terminal.err(developmentHelp(config));
    },
  });
  return exitCodes.ok;
}

/** Hardens the process of a plane, and says how it stands. Does not return where the process is replaced. */
export async function hardenProcess(
  { process, compiled }: HardenedTerminal,
  config: DaemonConfig,
  isWanted: boolean,
): Promise<void> {
  if (process === undefined) return;
  const report = () => import('../app/hardening-report.ts');
  const hardening = await harden(process, {
    ...{ config, compiled, isWanted },
    onDrop: async (dropped) => (await report()).reportDropped(config.logLevel, dropped),
  });
  await (await report()).reportHardening(config.logLevel, hardening);
}

/** Where the configuration comes from; the environment stands over the others. */
type Source =
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'environment' }
  | { readonly kind: 'development' };

function parsedFrom(source: Source, { cwd, env }: Terminal): Parsed<DaemonConfig> | Promise<Parsed<DaemonConfig>> {
  switch (source.kind) {
    case 'file': {
      const file = resolve(cwd, source.file);
      return readConfigFile(file).then((text) => parseDaemonFile(text, file, env));
    }
    case 'environment':
      // A file without a line: nothing but the variables is in it, and relative paths begin where the process does.
      return parseDaemonFile('', resolve(cwd, 'environment'), env);
    case 'development':
      return developmentConfig(cwd, env);
  }
}

async function configuration(
  source: Source,
  terminal: Terminal,
): Promise<Parsed<DaemonConfig> & { config: DaemonConfig }> {
  const { config, problems, warnings } = await parsedFrom(source, terminal);
  if (config === undefined) throw new ConfigError(problems);
  const refusal = config.allowLocal ? (await import('../app/development.ts')).whyNoLocalKeys(terminal.env) : undefined;
  if (refusal !== undefined) {
    const isDevelopment = source.kind === 'development';
    const message = `${isDevelopment ? '--dev' : 'allow_local'} keeps keys in files and does not run here: ${refusal}`;
    throw new ConfigError([{ file: source.kind === 'file' ? source.file : '--dev', line: 0, path: '', message }]);
  }
  return { config, problems, warnings };
}
