/**
 * What a process is short of being hardened: asked of the process itself, and of what Node was given at its start, which
 * holds in a process that nobody replaced. It may do less than it needs: then what it cannot do fails.
 */
import { hardenedFlags, type Needs } from './hardening-flags.ts';
import { inherited } from './hardening-inherited.ts';

/** The parts of `process` that tell. */
export type Restrained = Pick<NodeJS.Process, 'env' | 'execArgv'> & {
  /** Absent where Node runs without its permission model. */
  readonly permission?: { has(scope: string): boolean };
};

type Row = readonly [gap: string, isThere: (process: Restrained, needs: Needs) => boolean];

/** A scope that is open: where there is no permission model, all are. */
function isOpen(scope: string): (process: Restrained) => boolean {
  return ({ permission }) => permission?.has(scope) !== false;
}

const rows: readonly Row[] = [
  ["Node's permission model is off", ({ permission }) => permission === undefined],
  ['it can write to every folder', isOpen('fs.write')],
  ['it can start other programs', isOpen('child')],
  ['it can start worker threads', isOpen('worker')],
  ['it can run WASI modules', isOpen('wasi')],
  ['it can load native modules', (process, { nativeModules }) => !nativeModules && isOpen('addon')(process)],
  ['it can open the inspector', isOpen('inspector')],
  ['SIGUSR1 opens the inspector', ({ execArgv }) => !execArgv.includes('--disable-sigusr1')],
  ['NODE_OPTIONS is set', ({ env }) => (env['NODE_OPTIONS'] ?? '') !== ''],
];

/** The gaps of a process, none where it is hardened. */
export function gapsOf(process: Restrained, needs: Needs): string[] {
  const open = rows.filter(([, isThere]) => isThere(process, needs)).map(([gap]) => gap);
  const { dropped } = inherited(process, hardenedFlags(needs));
  return [...open, ...dropped.map((name) => `Node was given ${name}`)];
}
