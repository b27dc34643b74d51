/**
 * A bad file never takes a good tenant down. What a look at the folder found is merged into what is served: a file
 * that went bad keeps its last good version, a folder that cannot be read keeps everything, and of two files that
 * claim one tenant neither displaces the version that is served.
 */
import type { TenantId } from '../base/ids.ts';
import { withOwnAudiences } from './audiences.ts';
import type { ConfigProblem } from './problem.ts';
import type { DirectoryScan, LoadedTenant } from './tenant-scan.ts';

/** What is to be served from now on, and how it differs from before. */
export interface TenantChange {
  readonly tenants: ReadonlyMap<TenantId, LoadedTenant>;
  /** New tenants and those whose file has other bytes than before. */
  readonly changed: readonly LoadedTenant[];
  /** Tenants whose file is gone, or is now another tenant's. */
  readonly removed: readonly TenantId[];
  readonly problems: readonly ConfigProblem[];
}

/** Merges a scan into the tenants that were served before it. Touches neither. */
export function mergeScan(previous: ReadonlyMap<TenantId, LoadedTenant>, scan: DirectoryScan): TenantChange {
  if (scan.kind === 'unreadable') {
    return { tenants: previous, changed: [], removed: [], problems: [scan.problem] };
  }
  const problems: ConfigProblem[] = [];
  const claims = new Map<TenantId, LoadedTenant[]>();
  for (const state of scan.files.values()) {
    if (state.kind === 'bad') problems.push(...state.problems);
    else claims.set(state.tenant.config.tenantId, [...(claims.get(state.tenant.config.tenantId) ?? []), state.tenant]);
  }
  const tenants = new Map<TenantId, LoadedTenant>();
  for (const [id, [first, ...others]] of claims) {
    const before = previous.get(id);
    const served = others.length === 0 ? first : before;
    if (served !== undefined) tenants.set(id, served);
    if (first !== undefined && others.length > 0) problems.push(...claimedTwice(id, [first, ...others]));
  }
  for (const [id, before] of previous) {
    if (!tenants.has(id) && scan.files.get(before.file)?.kind === 'bad') tenants.set(id, before);
  }
  const sound = withOwnAudiences(previous, tenants);
  return {
    tenants: sound.tenants,
    changed: [...sound.tenants].filter(([id, now]) => previous.get(id)?.hash !== now.hash).map(([, now]) => now),
    removed: [...previous.keys()].filter((id) => !sound.tenants.has(id)),
    problems: [...problems, ...sound.problems],
  };
}

function claimedTwice(id: TenantId, tenants: readonly LoadedTenant[]): ConfigProblem[] {
  return tenants.slice(1).map(({ file }) => ({
    ...{ file, line: 0, path: 'tenant_id' },
    message: `${id} is also the tenant of ${tenants[0]?.file}; a tenant has one file, so neither is taken`,
  }));
}
