/**
 * How a process becomes a hardened one: it replaces itself, once, by Node with the flags of its configuration. The
 * process number, standard input and output stay; nothing else does, so it happens before anything is opened.
 */
import { mkdirSync } from 'node:fs';
import { hardenedFlags, needsOf, socketFoldersOf } from '../app/hardening-flags.ts';
import { gapsOf, type Restrained } from '../app/hardening-gaps.ts';
import { inherited } from '../app/hardening-inherited.ts';
import type { Hardening } from '../app/hardening-report.ts';
import type { DaemonConfig } from '../config/daemon-file.ts';
import type { Terminal } from './exit.ts';

/** The parts of `process` that are used. */
type HardenedProcess = Pick<
  NodeJS.Process,
  'argv' | 'env' | 'execArgv' | 'execPath' | 'execve' | 'permission' | 'umask'
>;

/** A terminal whose process is the command's own, to be hardened; a test that runs a command in its own has none. */
export interface HardenedTerminal extends Terminal {
  readonly process?: HardenedProcess;
  /** The folder of compiled code in use. */
  readonly compiled?: string | undefined;
}

const ownFlags =
  'Node replaces no process that has permissions of its own; start it without any, or with exactly the flags in the threat model';

/** What nobody but this user may do with a file that the process makes. */
const ownerOnly = 0o077;

/**
 * Makes `process` a hardened one, and does not return where that replaces it. Otherwise returns how it stands: hardened
 * already, or why it is not. `onDrop` hears before the replacement what is left behind.
 */
export async function harden(
  process: HardenedProcess,
  options: {
    readonly config: DaemonConfig;
    readonly compiled?: string | undefined;
    readonly isWanted: boolean;
    readonly onDrop: (dropped: readonly string[]) => Promise<void>;
  },
): Promise<Hardening> {
  const { config, compiled, isWanted, onDrop } = options;
  maskFiles(process, config);
  const needs = needsOf(config, compiled);
  const gaps = gapsOf(process, needs);
  if (gaps.length === 0) {
    const writable = needs.writable.filter((folder) => process.permission.has('fs.write', folder));
    return { kind: 'hardened', ...needs, writable };
  }
  if (!isWanted) return { kind: 'switched off', gaps };
  if (!isReplaceable(process)) return { kind: 'incomplete', gaps, reason: ownFlags };
  const flags = hardenedFlags(needs);
  const { dropped, ...kept } = inherited(process, flags);
  if (dropped.length > 0) await onDrop(dropped);
  const [, program = '', ...args] = process.argv;
  try {
    process.execve?.(process.execPath, [process.execPath, ...flags, ...kept.options, program, ...args], kept.env);
  } catch {
    // It is as if there were no such call.
  }
  return { kind: 'incomplete', gaps, reason: 'this system has no call by which Node could replace its process' };
}

/** Whether Node lets it: under the permission model that is to start a program. A successor has not that permission. */
function isReplaceable({ permission, execArgv }: Pick<Restrained, 'permission' | 'execArgv'>): boolean {
  return permission === undefined ? !execArgv.includes('--permission') : permission.has('child');
}

/** Folders of sockets come first: who may open a socket must be able to reach it. A failure is told when one is bound. */
function maskFiles(process: HardenedProcess, config: DaemonConfig): void {
  process.umask(0o022);
  for (const folder of socketFoldersOf(config)) {
    try {
      mkdirSync(folder, { recursive: true });
    } catch {}
  }
  process.umask(ownerOnly);
}
