/** What must be true of `package-lock.json` and `package.json`, so that an install is what was reviewed and no more. */
import type { LockedPackage, Lockfile } from './lockfile.ts';

/**
 * Packages that would run a program of theirs when they are installed, and why they work without: `.npmrc` says
 * `ignore-scripts`. A package that is not here has not been looked at.
 */
export const unrunScripts: Readonly<Record<string, string>> = {
  esbuild: 'only makes its start shorter: its binary comes as a package for each platform, checked like any other',
  koffi: 'only builds its native half where none comes ready: @koromix/koffi-<platform> brings it',
  protobufjs: "only warns of a range in the depending package's package.json",
};

/** What `package.json` asks for. */
export interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly overrides?: Readonly<Record<string, string>>;
}

const sha512 = /^sha512-[A-Za-z0-9+/]{86}==$/;
const exactVersion = /^\d+\.\d+\.\d+(-[\w.-]+)?$/;
/** `npm:name@` in front of a range: another package of the registry under this name. */
const alias = /^npm:(@[\w.-]+\/)?[\w.-]+@/;

/** All that is wrong with the lockfile, a sentence each; empty where an install can be trusted to it. */
export function lockfileProblems(lock: Lockfile): string[] {
  const packages = [...lock.packages.values()].filter(({ path }) => path !== '');
  const scripted = new Set(packages.filter(({ installScript }) => installScript).map(({ name }) => name));
  return [
    ...(lock.version === 3 ? [] : ['lockfileVersion is not 3; write the lockfile with npm 9 or later']),
    ...packages.flatMap(packageProblems),
    ...[...lock.packages.values()].flatMap(rangeProblems),
    ...[...scripted]
      .filter((name) => !Object.hasOwn(unrunScripts, name))
      .map((name) => `${name} has an install script that nobody has reviewed; see build/lockfile-rules.ts`),
    ...Object.keys(unrunScripts)
      .filter((name) => !scripted.has(name))
      .map((name) => `${name} has no install script any more; take it out of build/lockfile-rules.ts`),
  ];
}

function packageProblems({ path, version, integrity, resolved, link }: LockedPackage): string[] {
  const problems: string[] = [];
  if (link) problems.push(`${path} is a folder of some machine; it has to come from the registry`);
  if (!exactVersion.test(version)) problems.push(`${path} has no version of the registry`);
  if (!sha512.test(integrity ?? '')) problems.push(`${path} has no SHA-512 hash`);
  if (resolved !== undefined) {
    problems.push(`${path} names the address it came from; .npmrc says omit-lockfile-registry-resolved`);
  }
  return problems;
}

/** Ranges that lead past the registry: to a repository, an address, a file. */
function rangeProblems({ path, dependencies }: LockedPackage): string[] {
  return Object.entries(dependencies)
    .filter(([, range]) => /[:/]/.test(range.replace(alias, '')))
    .map(([name]) => `${path || 'the project'} asks for ${name} from elsewhere than the registry`);
}

/** Every version in `package.json` that is not exact, a sentence each. */
export function manifestProblems(manifest: Manifest): string[] {
  const asked = [manifest.dependencies, manifest.devDependencies, manifest.optionalDependencies, manifest.overrides];
  return asked
    .flatMap((ranges) => Object.entries(ranges ?? {}))
    .filter(([, range]) => !exactVersion.test(String(range).replace(alias, '')))
    .map(([name]) => `package.json does not pin ${name} to one version`);
}
