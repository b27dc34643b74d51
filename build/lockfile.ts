/**
 * `package-lock.json` as npm 7 and later write it, cut down to what the supply chain is checked by. Format:
 * https://docs.npmjs.com/cli/configuring-npm/package-lock-json, `lockfileVersion` 3.
 */

/** One package, or, at the empty path, the project itself. */
export interface LockedPackage {
  /** Its folder, from the project's root: `node_modules/a/node_modules/b`. */
  readonly path: string;
  /** What the registry calls it; an alias has another folder. */
  readonly name: string;
  readonly version: string;
  /** What its author declared: an SPDX id or expression, if all is well. */
  readonly licence: string | undefined;
  /** Hash of the archive that npm checks before it unpacks: `sha512-` and base64. */
  readonly integrity: string | undefined;
  /** Where the archive was when the lockfile was written. */
  readonly resolved: string | undefined;
  /** Stands for a folder of this machine. */
  readonly link: boolean;
  /** Only development needs it. */
  readonly development: boolean;
  /** Would run a program when it is installed. */
  readonly installScript: boolean;
  /** What it asks for when it runs: name → range. */
  readonly dependencies: Readonly<Record<string, string>>;
}

export interface Lockfile {
  readonly version: number | undefined;
  readonly packages: ReadonlyMap<string, LockedPackage>;
}

type Ranges = Readonly<Record<string, string>>;

interface Entry {
  readonly name?: string;
  readonly version?: string;
  readonly license?: unknown;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Ranges;
  readonly optionalDependencies?: Ranges;
  readonly peerDependencies?: Ranges;
}

/** Throws where the text is no lockfile with packages. */
export function parseLockfile(text: string): Lockfile {
  const { lockfileVersion, packages } = JSON.parse(text) as {
    readonly lockfileVersion?: number;
    readonly packages?: Readonly<Record<string, Entry>>;
  };
  if (packages === undefined) throw new Error('the lockfile lists no packages; npm 7 and later write such a list');
  const entries = Object.entries(packages).map(([path, entry]) => [path, lockedPackage(path, entry)] as const);
  return { version: lockfileVersion, packages: new Map(entries) };
}

function lockedPackage(path: string, entry: Entry): LockedPackage {
  return {
    path,
    name: entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
    version: entry.version ?? '',
    licence: typeof entry.license === 'string' ? entry.license : undefined,
    integrity: entry.integrity,
    resolved: entry.resolved,
    link: entry.link ?? false,
    development: entry.dev ?? false,
    installScript: entry.hasInstallScript ?? false,
    dependencies: { ...entry.peerDependencies, ...entry.optionalDependencies, ...entry.dependencies },
  };
}

/** What the package at `from` gets when it asks for `name`: the nearest `node_modules` that has it, as Node looks. */
export function resolvedFrom({ packages }: Lockfile, from: string, name: string): LockedPackage | undefined {
  for (let folder = from; ; folder = parentOf(folder)) {
    const found = packages.get(folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`);
    if (found !== undefined || folder === '') return found;
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/node_modules/')));
}
