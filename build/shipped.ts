/** Which packages are in what ships: those that esbuild took something of, and those that are copied beside it. */
import type { Metafile } from 'esbuild';
import { type LockedPackage, type Lockfile, resolvedFrom } from './lockfile.ts';

/** What ships, by `node_modules` path in order, and what each needs of the rest. */
export interface Shipment {
  readonly packages: readonly ShippedPackage[];
  /** Paths that keyproxy itself asks for. */
  readonly direct: readonly string[];
}

export interface ShippedPackage extends LockedPackage {
  /** Paths of the shipped packages it asks for, by itself or by way of packages that left nothing in the bundle. */
  readonly needs: readonly string[];
}

/** What to look at. */
export interface Built {
  readonly lock: Lockfile;
  /** npm's account of what it put into `node_modules`, `node_modules/.package-lock.json`. */
  readonly installed: Lockfile;
  readonly metafile: Metafile;
  /** Paths of packages that are copied as they are. */
  readonly beside: readonly string[];
}

const packagePath = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/;

/**
 * Throws, with all of them named, where something ships that the lockfile does not know, so that nothing checked it, or
 * that it has for development alone, so that the audit of what ships does not see it; or where something else was
 * installed than the lockfile has now.
 */
export function shipmentOf({ lock, installed, metafile, beside }: Built): Shipment {
  const paths = [...new Set([...bundledPaths(metafile), ...beside])].sort();
  const found = paths.map((path) => ({ path, entry: lock.packages.get(path) }));
  const wrong = found.filter(({ entry }) => entry === undefined || entry.development).map(({ path }) => path);
  if (wrong.length > 0) {
    throw new Error(`what ships is not among the lockfile's dependencies for running: ${wrong.join(', ')}`);
  }
  const stale = paths.filter((path) => installed.packages.get(path)?.integrity !== lock.packages.get(path)?.integrity);
  if (stale.length > 0) throw new Error(`not installed as the lockfile has it, run npm ci: ${stale.join(', ')}`);
  const needsOf = (from: string): string[] => shippedNeeds({ lock, from, shipped: new Set(paths) });
  return {
    packages: found.flatMap(({ path, entry }) => (entry === undefined ? [] : [{ ...entry, needs: needsOf(path) }])),
    direct: needsOf(''),
  };
}

/** Packages of which at least one byte is in an output. */
function bundledPaths({ outputs }: Metafile): string[] {
  return Object.values(outputs)
    .flatMap(({ inputs }) => Object.entries(inputs))
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .flatMap(([file]) => packagePath.exec(file) ?? []);
}

interface Needs {
  readonly lock: Lockfile;
  readonly from: string;
  readonly shipped: ReadonlySet<string>;
}

function shippedNeeds({ lock, from, shipped }: Needs): string[] {
  const seen = new Set([from]);
  // A set that grows while it is walked: what did not ship is walked through to what did.
  for (const path of seen) {
    if (path !== from && shipped.has(path)) continue;
    for (const name of Object.keys(lock.packages.get(path)?.dependencies ?? {})) {
      const next = resolvedFrom(lock, path, name);
      if (next !== undefined) seen.add(next.path);
    }
  }
  return [...seen].filter((path) => path !== from && shipped.has(path)).sort();
}
