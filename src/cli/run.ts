/** `keyproxy COMMAND …`: finds the command, runs it, and turns what it throws into one message and an exit code. */
import { StartupError } from '../app/startup-error.ts';
import { version } from '../app/version.ts';
import { ConfigError } from '../config/problem.ts';
import { type Command, exitCodes, type Terminal, UsageError } from './exit.ts';

/** Commands by name; each is loaded only when it is asked for. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serve,
  'kms-plugin': async () => (await import('./kms-plugin.ts')).kmsPlugin,
  validate: async () => (await import('./validate.ts')).validate,
  access: async () => (await import('./access.ts')).access,
  audit: async () => (await import('./audit.ts')).audit,
  injector: async () => (await import('./injector.ts')).injector,
  health: async () => (await import('./health.ts')).health,
};

const usage = `usage: keyproxy COMMAND

  serve --config FILE    serve applications as FILE says
  serve --from-env       serve them as the variables KEYPROXY_… say
  serve --dev            try keyproxy with a key of its own; not for production
  kms-plugin --config FILE
                         keep a Kubernetes cluster's secrets under a customer's key
  validate FILE…         check tenant files, and the keys they name unless --offline is given
  access test CALLER TENANT OPERATION
                         tell what the policy allows, and by which rule
  audit verify PATH      tell whether the audit log is as it was written
  audit show PATH        show what it tells of which calls
  injector --config FILE put keyproxy into the pods of a cluster that ask for it
  health                 ask the daemon beside it whether it is ready; for probes
  --version              print the version
`;

/** Runs one command line. Never throws. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === 'help') {
    terminal.out(usage);
    return name === undefined ? exitCodes.usage : exitCodes.ok;
  }
  if (name === '--version') {
    terminal.out(`keyproxy ${version}\n`);
    return exitCodes.ok;
  }
  try {
    const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (load === undefined) throw new UsageError(`there is no command of this name\n${usage}`);
    return await (await load())(rest, terminal);
  } catch (error) {
    return report(error, terminal);
  }
}

function report(error: unknown, terminal: Terminal): number {
  if (error instanceof UsageError) {
    terminal.err(`keyproxy: ${error.message}\n`);
    return exitCodes.usage;
  }
  if (isArgumentError(error)) {
    terminal.err(`keyproxy: ${error.message}\n${usage}`);
    return exitCodes.usage;
  }
  if (error instanceof ConfigError) {
    terminal.err(`keyproxy: ${error.message}\n`);
    return exitCodes.configuration;
  }
  if (error instanceof StartupError) {
    terminal.err(`keyproxy: ${error.message}\n`);
    return exitCodes.startup;
  }
  terminal.err(`keyproxy: failed inside: ${error instanceof Error ? error.stack : 'unknown'}\n`);
  return exitCodes.internal;
}

/** What `parseArgs` of node:util throws for a command line that it cannot read. */
function isArgumentError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}
