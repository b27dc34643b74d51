/** `keyproxy access test`: what the policy says to one question, and which rule says it. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { noPolicy, testAccess } from '../app/access-test.ts';
import { type PolicySource, parseDaemonFile } from '../config/daemon-file.ts';
import { readConfigFile } from '../config/file.ts';
import { ConfigError } from '../config/problem.ts';
import { exitCodes, type Terminal, UsageError } from './exit.ts';

const usage = `keyproxy access test [--policy FILE | --config DAEMON_FILE] CALLER TENANT OPERATION
  --policy    the policy's file
  --config    the daemon's file, whose policy counts
  without either, what holds where no policy is written`;

/** Answers one question. Exit code 0 where it is allowed, 1 where it is denied. */
export async function access(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { policy: { type: 'string' }, config: { type: 'string' }, help: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  if (values.help) {
    terminal.out(`usage: ${usage}\n`);
    return exitCodes.ok;
  }
  const [verb, caller, tenant, operation, ...rest] = positionals;
  if (verb !== 'test' || caller === undefined || tenant === undefined || operation === undefined || rest.length > 0) {
    throw new UsageError(`access needs test, a caller, a tenant and an operation\n${usage}`);
  }
  if (values.policy !== undefined && values.config !== undefined) {
    throw new UsageError(`--policy and --config do not go together\n${usage}`);
  }
  const answer = await testAccess({ caller, tenant, operation }, await sourceOf(values, terminal));
  const question = `${caller} ${operation} for ${tenant}`;
  switch (answer.kind) {
    case 'unclear':
      throw new UsageError(`${answer.problem}\n${usage}`);
    case 'allowed':
      terminal.out(`✓ allowed: ${question}, by rule ${answer.rule}\n`);
      return exitCodes.ok;
    case 'denied':
      terminal.out(`✗ denied: ${question}; ${answer.why}\n`);
      return exitCodes.failed;
  }
}

async function sourceOf(
  { policy, config }: { policy?: string | undefined; config?: string | undefined },
  { cwd, env }: Terminal,
): Promise<PolicySource> {
  if (policy !== undefined) return { kind: 'file', path: resolve(cwd, policy) };
  if (config === undefined) return noPolicy;
  const path = resolve(cwd, config);
  const parsed = parseDaemonFile(await readConfigFile(path), path, env);
  if (parsed.config === undefined) throw new ConfigError(parsed.problems);
  return parsed.config.policy;
}
