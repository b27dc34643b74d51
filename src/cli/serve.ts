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
      dev: { type: 'boolean', default: false },
      'no-hardening': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    terminal.out(`usage: ${usage}\n`);
    return exitCodes.ok;
  }
  if (values.dev === (values.config !== undefined))
    throw new UsageError(`serve needs --config FILE or --dev\n${usage}`);
  const { config, warnings } = await configuration(values.config, terminal);
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

async function hardenProcess({ process }: HardenedTerminal, config: DaemonConfig, isWanted: boolean): Promise<void> {
  if (process === undefined) return;
  const report = () => import('../app/hardening-report.ts');
  const hardening = await harden(process, {
    ...{ config, isWanted },
    onDrop: async (dropped) => (await report()).reportDropped(config.logLevel, dropped),
  });
  await (await report()).reportHardening(config.logLevel, hardening);
}

async function configuration(
  file: string | undefined,
  terminal: Terminal,
): Promise<Parsed<DaemonConfig> & { config: DaemonConfig }> {
  const parsed =
    file === undefined
      ? developmentConfig(terminal.cwd, terminal.env)
      : parseDaemonFile(await readConfigFile(resolve(terminal.cwd, file)), resolve(terminal.cwd, file), terminal.env);
  const { config, problems, warnings } = parsed;
  if (config === undefined) throw new ConfigError(problems);
  const refusal = config.allowLocal ? (await import('../app/development.ts')).whyNoLocalKeys(terminal.env) : undefined;
  if (refusal !== undefined) {
    const setting = file === undefined ? '--dev' : 'allow_local';
    throw new ConfigError([
      {
        file: file ?? '--dev',
        line: 0,
        path: '',
        message: `${setting} keeps keys in files and does not run here: ${refusal}`,
      },
    ]);
  }
  return { config, problems, warnings };
}
