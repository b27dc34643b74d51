/** `keyproxy injector`: the webhook that puts keyproxy into pods, until a signal asks it to end. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfigFile } from '../config/file.ts';
import { parseInjectorFile } from '../config/injector-file.ts';
import { ConfigError } from '../config/problem.ts';
import { exitCodes, type Terminal, UsageError } from './exit.ts';

const usage = `keyproxy injector --config FILE   puts keyproxy into the pods of a cluster that ask for it, as FILE says`;

/** Runs the injector. Returns once everything has stopped. */
export async function injector(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { config: { type: 'string' }, help: { type: 'boolean', default: false } },
  });
  if (values.help) {
    terminal.out(`usage: ${usage}\n`);
    return exitCodes.ok;
  }
  if (values.config === undefined) throw new UsageError(`injector needs --config FILE\n${usage}`);
  const file = resolve(terminal.cwd, values.config);
  const { config, problems } = parseInjectorFile(await readConfigFile(file), file);
  if (config === undefined) throw new ConfigError(problems);
  const { runInjector } = await import('../app/injector/run.ts');
  await runInjector({ config, env: terminal.env, untilSignal: () => terminal.untilSignal() });
  return exitCodes.ok;
}
