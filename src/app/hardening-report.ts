/** What the log says of a process's hardening at its start. */
import { readFile } from 'node:fs/promises';
import { createLog, synchronousOutput } from '../telemetry/log.ts';
import { coreDumpsOf } from './hardening-cores.ts';

/** Why a process is as it is. */
export type Hardening =
  | {
      readonly kind: 'hardened';
      /** The folders that it can write to. */
      readonly writable: readonly string[];
      readonly nativeModules: boolean;
    }
  /** Somebody asked for it. */
  | { readonly kind: 'switched off'; readonly gaps: readonly string[] }
  /** It could not be helped. */
  | { readonly kind: 'incomplete'; readonly gaps: readonly string[]; readonly reason: string };

/** Says how the process is hardened, and warns of everything that is open. */
export async function reportHardening(level: string, hardening: Hardening): Promise<void> {
  const log = createLog(level);
  switch (hardening.kind) {
    case 'hardened':
      log.info({ writable: hardening.writable }, 'the process is hardened');
      if (hardening.nativeModules) {
        log.warn('peer_credentials loads a native module, which could go around the permission model');
      }
      break;
    case 'switched off':
      log.warn(
        { open: hardening.gaps },
        'HARDENING IS OFF: --no-hardening is for debugging only; whoever gets at this process gets at its keys',
      );
      break;
    case 'incomplete':
      log.warn({ open: hardening.gaps, reason: hardening.reason }, 'THE PROCESS IS NOT HARDENED');
  }
  const dumps = coreDumpsOf({
    limits: await textOf('/proc/self/limits'),
    pattern: await textOf('/proc/sys/kernel/core_pattern'),
  });
  if (dumps.kind !== 'impossible') {
    log.warn({ dumps: dumps.kind, remedy: dumps.remedy }, 'a crash may write keys to a core dump');
  }
}

/** Says which options and variables of Node's are left behind. The line is out when this returns: the process is replaced next. */
export function reportDropped(level: string, dropped: readonly string[]): void {
  const log = createLog(level, synchronousOutput());
  log.warn({ dropped }, 'options of Node that could open the process are not in force');
}

function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}
