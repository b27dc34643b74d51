/** What `keyproxy serve --dev` runs with: no file, no cloud, one key in a file of its own, two tenants. */
import { join } from 'node:path';
import { type DaemonConfig, type Environment, parseDaemonFile } from './daemon-file.ts';
import type { PolicyFileRule } from './policy-file.ts';
import type { Parsed } from './problem.ts';
import { parseTenantFile, type TenantConfig } from './tenant-file.ts';

/** The tenants of development; both use one key, so that only the binding keeps them apart. */
export const developmentTenants = ['demo', 'demo-2'] as const;

/** Whoever is on this machine may do everything. */
const everybody: readonly PolicyFileRule[] = [{ callers: ['socket', 'anonymous'], tenants: ['*'], operations: ['*'] }];

/**
 * The configuration of development: everything it creates is in `folder`/.keyproxy-dev, the socket (mode 0600) and
 * the key file included. The environment's overrides hold as with a file; with `KEYPROXY_TENANTS_DIRECTORY` tenants
 * come from there. `folder` should be absolute. What is wrong with the environment is reported, nothing is thrown.
 */
export function developmentConfig(folder: string, env: Environment): Parsed<DaemonConfig> {
  // No such file exists; its folder is where relative paths begin.
  const file = join(folder, 'development');
  const text = `
environment: development
listen:
  - { unix: .keyproxy-dev/keyproxy.sock, mode: "0600" }
  - { tcp: "127.0.0.1:50051", identity: insecure_loopback }
http: { address: "127.0.0.1:9464" }
state: { directory: .keyproxy-dev/state }
allow_local: true
`;
  const tenants = developmentTenants.flatMap((id) => demoTenant(id, file));
  return parseDaemonFile(text, file, env, { embedded: { tenants, rules: everybody } });
}

function demoTenant(id: string, file: string): TenantConfig[] {
  const text = `
customer: ${id}
tenant_id: ${id}
encryption:
  provider: local
  local: { key_name: keyproxy-dev, key_file: .keyproxy-dev/cmk.key }
  # The key is in this process: there is no quota of anybody's to protect.
  limits: { kms_calls_per_second: 100000, kms_concurrency: 10000 }
`;
  const { config } = parseTenantFile(text, file, { allowLocal: true, trustedEndpoints: [] });
  return config === undefined ? [] : [config];
}
