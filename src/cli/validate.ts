/**
 * `keyproxy validate`: every problem of a tenant file at once, then a round trip with each key that it names and what
 * the provider finds at a closer look; or, with a key policy at hand, what that policy would mean.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { checkKeyPolicy } from '../app/check-key-policy.ts';
import { type CheckSetting, checkTenant, type Verdict } from '../app/check-tenant.ts';
import { parseDaemonFile } from '../config/daemon-file.ts';
import { readConfigFile } from '../config/file.ts';
import { ConfigError, describeProblems, type Parsed } from '../config/problem.ts';
import { parseTenantFile, type TenantConfig } from '../config/tenant-file.ts';
import { exitCodes, type Terminal, UsageError } from './exit.ts';

const usage = `keyproxy validate [--offline] [--config DAEMON_FILE] [--key-policy POLICY [--principal ARN]] FILE…
  --offline      reads the files and calls no key service
  --config       the daemon's file: its trusted_endpoints, allow_local and authorities hold
  --key-policy   explains a key policy of AWS for the tenant's key, before it is applied; calls no key service
  --principal    who calls the key: the ARN of a role, a user or a session; the tenant's role_arn where none is given`;

/** Marks of the three verdicts. A warning does not make a file invalid. */
const marks = { ok: '✓', warning: '!', failed: '✗' } as const;

interface Setting extends CheckSetting {
  readonly allowLocal: boolean;
}

/**
 * Checks the files. Exit code 0 where all are sound, 78 where one cannot be used, 1 where its key, or the policy that
 * was given for it, does not do.
 */
export async function validate(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      offline: { type: 'boolean', default: false },
      config: { type: 'string' },
      'key-policy': { type: 'string' },
      principal: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  if (values.help) {
    terminal.out(`usage: ${usage}\n`);
    return exitCodes.ok;
  }
  if (positionals.length === 0) throw new UsageError(`validate needs at least one file\n${usage}`);
  const { 'key-policy': policyFile, principal } = values;
  if (principal !== undefined && policyFile === undefined) {
    throw new UsageError(`--principal says whom a --key-policy is about\n${usage}`);
  }
  const policy = policyFile === undefined ? undefined : await policyFrom(policyFile, terminal);
  const setting = await settingFrom(values.config, terminal);
  const outcomes: number[] = [];
  for (const file of positionals) {
    const config = await parsed(file, setting, terminal);
    if (config === undefined) outcomes.push(exitCodes.configuration);
    else if (policy !== undefined) outcomes.push(await explained(file, config, { policy, principal, terminal }));
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
  const isValid = print(await checkTenant(config, setting), terminal);
  if (isValid) terminal.out(`✓ ${file}: BYOK setup validated successfully\n`);
  else terminal.err(`✗ ${file}: BYOK validation failed\n`);
  return isValid ? exitCodes.ok : exitCodes.failed;
}

interface PolicyFile {
  readonly path: string;
  readonly text: string;
}

async function policyFrom(file: string, terminal: Terminal): Promise<PolicyFile> {
  return { path: file, text: await readConfigFile(resolve(terminal.cwd, file)) };
}

async function explained(
  file: string,
  tenant: TenantConfig,
  { policy, principal, terminal }: { policy: PolicyFile; principal: string | undefined; terminal: Terminal },
): Promise<number> {
  const check = await checkKeyPolicy(policy.text, { tenant, principal });
  switch (check.kind) {
    case 'no-principal':
      throw new UsageError(check.problem);
    case 'unusable':
      for (const problem of check.problems) terminal.err(`✗ ${policy.path}: ${problem}\n`);
      return exitCodes.configuration;
    case 'findings': {
      const isValid = print(check.findings, terminal);
      const about = `${file}: the key policy ${policy.path}`;
      if (isValid) terminal.out(`✓ ${about} lets keyproxy serve the tenant (offline, no key service was called)\n`);
      else terminal.err(`✗ ${about} does not let keyproxy serve the tenant (offline, no key service was called)\n`);
      return isValid ? exitCodes.ok : exitCodes.failed;
    }
  }
}

/** Prints findings, each with its mark; whether none of them failed. */
function print(findings: readonly Verdict[], terminal: Terminal): boolean {
  for (const { step, verdict, advice } of findings) {
    terminal.out(`${marks[verdict]} ${step}${advice === undefined ? '' : `\n    ${advice}`}\n`);
  }
  return findings.every(({ verdict }) => verdict !== 'failed');
}
