/** `keyproxy kms-plugin`: keeps a Kubernetes cluster's secrets under a customer's key, until a signal asks it to end. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfigFile } from '../config/file.ts';
import { type KmsPluginConfig, parseKmsPluginFile } from '../config/kms-plugin-file.ts';
import { ConfigError, type Parsed } from '../config/problem.ts';
import { exitCodes, type Terminal, UsageError } from './exit.ts';
import type { HardenedTerminal } from './hardened.ts';
import { hardenProcess } from './serve.ts';

const usage = `keyproxy kms-plugin --config FILE   serves kube-apiserver as FILE says
  --no-hardening                    leaves Node's inspector, options and permissions as they are; for debugging only`;

/** Runs the plugin, in a process that is hardened once its configuration is known to be sound. */
export async function kmsPlugin(args: readonly string[], terminal: HardenedTerminal): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: 'string' },
      'no-hardening': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    terminal.out(`usage: ${usage}\n`);
    return exitCodes.ok;
  }
  if (values.config === undefined) throw new UsageError(`kms-plugin needs --config FILE\n${usage}`);
  const { config, warnings } = await configuration(values.config, terminal);
  await hardenProcess(terminal, config.daemon, !values['no-hardening']);
  const [{ runDataPlane }, { offerToApiServer }] = await Promise.all([
    import('../app/run-data-plane.ts'),
    import('../app/kms-plugin.ts'),
  ]);
  await runDataPlane({
    config: config.daemon,
    warnings,
    isDevelopment: false,
    offer: offerToApiServer(config),
    untilSignal: () => terminal.untilSignal(),
    onServing() {},
  });
  return exitCodes.ok;
}

async function configuration(
  name: string,
  terminal: Terminal,
): Promise<Parsed<KmsPluginConfig> & { config: KmsPluginConfig }> {
  const file = resolve(terminal.cwd, name);
  const { config, problems, warnings } = parseKmsPluginFile(await readConfigFile(file), file);
  if (config === undefined) throw new ConfigError(problems);
  const refusal = config.daemon.allowLocal
    ? (await import('../app/development.ts')).whyNoLocalKeys(terminal.env)
    : undefined;
  if (refusal !== undefined) {
    const message = `keeps the key in a file and does not run here: ${refusal}`;
    throw new ConfigError([{ file: name, line: 0, path: 'allow_local', message }]);
  }
  return { config, problems, warnings };
}
