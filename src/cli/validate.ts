/** `keyproxy validate`: every problem of a tenant file at once, then one round trip with the key that it names. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type CheckSetting, checkTenant } from '../app/check-tenant.ts';
import { parseDaemonFile } from '../config/daemon-file.ts';
import { readConfigFile } from '../config/file.ts';
import { ConfigError, describeProblems, type Parsed } from '../config/problem.ts';
import { parseTenantFile, type TenantConfig } from '../config/tenant-file.ts';
import { exitCodes, type Terminal, UsageError } from './exit.ts';

const usage = `keyproxy validate [--offline] [--config DAEMON_FILE] FILE…
  --offline   reads the files and calls no key service
  --config    the daemon's file: its trusted_endpoints, allow_local and aws settings hold`;

interface Setting extends CheckSetting {
  readonly allowLocal: boolean;
}

/** Checks the files. Exit code 0 where all are sound, 78 where one cannot be used, 1 where its key does not work. */
export async function validate(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { offline: { type: 'boolean', default: false }, config: { type: 'string' } },
    allowPositionals: true,
  });
  if (positionals.length === 0) throw new UsageError(`validate needs at least one file\n${usage}`);
  const setting = await settingFrom(values.config, terminal);
  const outcomes: number[] = [];
  for (const file of positionals) {
    const config = await parsed(file, setting, terminal);
    if (config === undefined) outcomes.push(exitCodes.configuration);
    else if (values.offline)
      terminal.out(`✓ ${file}: tenant ${config.tenantId} is valid (offline, no key service was called)\n`);
    else outcomes.push(await live(file, config, setting, terminal));
  }
  return Math.max(exitCodes.ok, ...outcomes);
}

async function settingFrom(file: string | undefined, terminal: Terminal): Promise<Setting> {
  if (file === undefined) return { allowLocal: false, trustedEndpoints: [], authorities: {} };
  const path = resolve(terminal.cwd, file);
  const { config, problems } = parseDaemonFile(await readConfigFile(path), path, terminal.env);
  if (config === undefined) throw new ConfigError(problems);
  return config;
}

async function parsed(file: string, setting: Setting, terminal: Terminal): Promise<TenantConfig | undefined> {
  const path = resolve(terminal.cwd, file);
  const { config, problems, warnings } = await read(path, setting);
  if (warnings.length > 0) terminal.err(`${describeProblems(warnings)}\n`);
  if (config === undefined)
    terminal.err(`✗ ${file} cannot be used, problems: ${problems.length}\n${describeProblems(problems)}\n`);
  return config;
}

/** A file that cannot be read is one problem more: the others are still checked. */
async function read(path: string, setting: Setting): Promise<Parsed<TenantConfig>> {
  try {
    return parseTenantFile(await readConfigFile(path), path, setting);
  } catch (error) {
    if (error instanceof ConfigError) return { problems: error.problems, warnings: [] };
    throw error;
  }
}

async function live(file: string, config: TenantConfig, setting: Setting, terminal: Terminal): Promise<number> {
  const verdicts = await checkTenant(config, setting);
  for (const { step, ok, advice } of verdicts) {
    terminal.out(`${ok ? '✓' : '✗'} ${step}${advice === undefined ? '' : `\n    ${advice}`}\n`);
  }
  const isValid = verdicts.every((verdict) => verdict.ok);
  if (isValid) terminal.out(`✓ ${file}: BYOK setup validated successfully\n`);
  else terminal.err(`✗ ${file}: BYOK validation failed\n`);
  return isValid ? exitCodes.ok : exitCodes.failed;
}
