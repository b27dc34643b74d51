/** Loads a folder of tenant files for the first time. */
import type { TenantId } from '../base/ids.ts';
import type { TenantFileOptions } from './key-block.ts';
import { mergeScan } from './last-good.ts';
import type { ConfigProblem } from './problem.ts';
import { type DirectoryScan, type LoadedTenant, scanTenantDirectory } from './tenant-scan.ts';

/** The tenants of a folder, and all that is wrong there. */
export interface LoadedDirectory {
  readonly tenants: ReadonlyMap<TenantId, LoadedTenant>;
  readonly problems: readonly ConfigProblem[];
  /** What was looked at, for `watchTenantDirectory` to go on from. */
  readonly scan: DirectoryScan;
}

/**
 * Reads every tenant file in `path`. A bad file, a file that cannot be read and a tenant that two files claim are
 * problems, and so is the folder itself; the tenants that are sound are there all the same. Never rejects.
 */
export async function loadTenantDirectory(path: string, options: TenantFileOptions): Promise<LoadedDirectory> {
  const scan = await scanTenantDirectory(path, options);
  const { tenants, problems } = mergeScan(new Map(), scan);
  return { tenants, problems, scan };
}
