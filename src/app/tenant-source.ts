/** Feeds tenants to the data plane: once at the start, and from then on whenever their files change. */
import type { TenantId } from '../base/ids.ts';
import type { DaemonConfig } from '../config/daemon-file.ts';
import type { TenantFileOptions } from '../config/key-block.ts';
import type { TenantChange } from '../config/last-good.ts';
import { ConfigError, type ConfigProblem, describeProblem } from '../config/problem.ts';
import { loadTenantDirectory } from '../config/tenant-directory.ts';
import type { LoadedTenant } from '../config/tenant-scan.ts';
import { watchTenantDirectory } from '../config/watch.ts';
import type { Log } from '../telemetry/log.ts';
import { ensureDevelopmentKeys } from './development.ts';
import type { DataPlane } from './serve.ts';
import { openTenantFile } from './tenant-file-feed.ts';

/** Where tenants come from, before anything is served. */
export interface TenantFeed {
  /** What is wrong with single files, while others are sound. */
  readonly problems: readonly ConfigProblem[];
  /** Hands the tenants over, and every change from then on. */
  attach(plane: DataPlane, log: Log): AsyncDisposable;
}

const nothing: AsyncDisposable = { [Symbol.asyncDispose]: async () => {} };

/**
 * Reads the tenants. Throws a ConfigError where the folder cannot be read, or where files are bad and none is sound:
 * a bad file takes no good tenant down, but a daemon without any tenant is of no use.
 */
export async function openTenantFeed(config: DaemonConfig): Promise<TenantFeed> {
  const { tenants: source } = config;
  if (source.kind === 'embedded') {
    await ensureDevelopmentKeys(source.tenants);
    return {
      problems: [],
      attach(plane) {
        for (const tenant of source.tenants) plane.tenants.put(tenant);
        return nothing;
      },
    };
  }
  const options = { allowLocal: config.allowLocal, trustedEndpoints: config.trustedEndpoints };
  if (source.kind === 'file') return await oneTenant(source.path, options);
  const initial = await loadTenantDirectory(source.path, options);
  if (initial.problems.length > 0 && initial.tenants.size === 0) throw new ConfigError(initial.problems);
  const { only } = source;
  return {
    problems: initial.problems,
    attach(plane, log) {
      for (const { config: tenant } of wanted([...initial.tenants.values()], only)) plane.tenants.put(tenant);
      countBadFiles(initial.problems, plane);
      warnOfAbsent({ ...source, found: initial.tenants }, log);
      warnOfSharedKeys(plane, log);
      return watchTenantDirectory(source.path, { ...options, initial }, (change) =>
        apply({ ...change, changed: wanted(change.changed, only) }, plane, log),
      );
    },
  };
}

/** Those of the tenants that this daemon is to serve. */
function wanted(tenants: readonly LoadedTenant[], only: readonly TenantId[] | undefined): readonly LoadedTenant[] {
  return only === undefined ? tenants : tenants.filter(({ config }) => only.includes(config.tenantId));
}

/** A tenant that is listed and has no file is a mistake of writing more often than not; its file may come later. */
function warnOfAbsent(
  source: { readonly path: string; readonly only?: readonly TenantId[]; found: ReadonlyMap<TenantId, unknown> },
  log: Log,
): void {
  const tenants = (source.only ?? []).filter((id) => !source.found.has(id));
  if (tenants.length > 0) log.warn({ tenants, folder: source.path }, 'tenants that are to be served have no file');
}

async function oneTenant(path: string, options: TenantFileOptions): Promise<TenantFeed> {
  const file = await openTenantFile(path, options);
  return {
    problems: [],
    attach(plane, log) {
      plane.tenants.put(file.config);
      const watch = file.watch((change) => {
        const outcome = change.kind === 'changed' ? 'ok' : 'bad';
        if (change.kind === 'changed') plane.tenants.put(change.config);
        plane.metrics.configReloads.inc({ outcome });
        countBadFiles(change.kind === 'bad' ? change.problems : [], plane);
        if (change.kind === 'bad') logProblems(change.problems, log);
        else log.info({ changed: [change.config.tenantId], removed: [], tenants: 1 }, 'tenants were reloaded');
      });
      return { [Symbol.asyncDispose]: async () => watch[Symbol.dispose]() };
    },
  };
}

function apply(change: TenantChange, plane: DataPlane, log: Log): void {
  for (const { config } of change.changed) plane.tenants.put(config);
  for (const id of change.removed) plane.tenants.remove(id);
  plane.metrics.configReloads.inc({ outcome: change.problems.length === 0 ? 'ok' : 'bad' });
  countBadFiles(change.problems, plane);
  if (change.changed.length > 0 || change.removed.length > 0) {
    const changed = change.changed.map(({ config }) => config.tenantId);
    log.info({ changed, removed: change.removed, tenants: plane.registry.size }, 'tenants were reloaded');
  }
  if (change.changed.length > 0) warnOfSharedKeys(plane, log);
  logProblems(change.problems, log);
}

/** Shows how many files have these problems: all that there are now. */
function countBadFiles(problems: readonly ConfigProblem[], { metrics }: DataPlane): void {
  metrics.configFilesBad.set({ kind: 'tenants' }, new Set(problems.map(({ file }) => file)).size);
}

/** Under one key only keyproxy's own binding separates tenants, and one customer's no is the other's. */
function warnOfSharedKeys(plane: DataPlane, log: Log): void {
  const keys = [...plane.registry.all()].flatMap((tenant) => tenant.materialIds.map((key) => ({ key, tenant })));
  for (const [key, users] of Map.groupBy(keys, (use) => use.key)) {
    const tenants = users.map((use) => use.tenant);
    if (tenants.length > 1) log.warn({ key, tenants: tenants.map(({ id }) => id) }, 'tenants share one key');
  }
}

/** One line a problem; what they stand for keeps its last good version. */
export function logProblems(problems: readonly ConfigProblem[], log: Log): void {
  for (const problem of problems) {
    log.error(
      { file: problem.file, line: problem.line, problem: describeProblem(problem) },
      'a tenant file was not taken',
    );
  }
}
