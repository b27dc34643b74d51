/** What the daemon keeps on disk, put together: the refusals that are in force, and the wrapped keys of a warm start. */
import type { Clock } from '../base/clock.ts';
import { textOfError } from '../base/system-code.ts';
import type { DaemonConfig } from '../config/daemon-file.ts';
import type { Log } from '../telemetry/log.ts';
import { RefusalFile, readRefusals } from './refusal-file.ts';
import { StateFolder } from './state-folder.ts';
import type { KnownRefusal } from './tenant-watches.ts';
import type { TenantSet } from './tenants.ts';
import { WarmStart, type WarmStartOptions } from './warm-start.ts';

/** The folder, and what an earlier process left there. */
export interface KeptState {
  readonly folder: StateFolder;
  readonly refusals: readonly KnownRefusal[];
}

/** Opens the folder that the daemon's file names, if it names one. Throws a StartupError where it cannot be had. */
export async function openState(config: DaemonConfig, log: Log): Promise<KeptState | undefined> {
  if (config.stateDirectory === undefined) return undefined;
  const folder = await StateFolder.at(config.stateDirectory);
  const refusals = await readRefusals(folder).catch(() => undefined);
  if (refusals === undefined) {
    log.error({ folder: folder.path }, 'the file of refusals cannot be read: it is set aside, the keys are asked anew');
  }
  return { folder, refusals: refusals ?? [] };
}

/** The file of refusals, kept in step with `tenants`. */
export function refusalFileOf(
  { folder, clock }: { folder: StateFolder; clock: Clock },
  tenants: TenantSet,
  log: Log,
): RefusalFile {
  return new RefusalFile({
    folder,
    clock,
    current: () => tenants.refused(),
    onFailure: (error) =>
      log.error(
        { folder: folder.path, problem: textOfError(error) },
        'a refusal could not be written down: a restart forgets it',
      ),
  });
}

/** The warm start of all tenants that have it. */
export function warmStartOf(options: Omit<WarmStartOptions, 'onWarmed' | 'onFailure'>, log: Log): WarmStart {
  return new WarmStart({
    ...options,
    onWarmed: (tenant, { fetched, of }) =>
      log.info({ tenant, fetched, of }, 'data keys of before the restart are back'),
    onFailure: (tenant, error) =>
      log.warn({ tenant, problem: textOfError(error) }, 'the file of a warm start could not be used'),
  });
}
