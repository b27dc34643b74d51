/** An install is what was reviewed: the lockfile as it is, and what would be found in a worse one. */
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type LockedPackage, parseLockfile, resolvedFrom } from '../../../build/lockfile.ts';
import { lockfileProblems, type Manifest, manifestProblems } from '../../../build/lockfile-rules.ts';
import { projectRoot, readPage } from '../../support/pages.ts';

const lock = parseLockfile(readPage('package-lock.json'));
const manifest = JSON.parse(readPage('package.json')) as Manifest;

/** The lockfile with one package changed. */
function changed(path: string, change: Partial<LockedPackage>) {
  const entry = lock.packages.get(path);
  if (entry === undefined) throw new Error(`the lockfile has no ${path}`);
  return { ...lock, packages: new Map([...lock.packages, [path, { ...entry, ...change }]]) };
}

describe('package-lock.json', () => {
  it('has every package by its SHA-512 hash, from the registry alone, and no unknown install script', () => {
    expect(lock.packages.size).toBeGreaterThan(200);
    expect(lockfileProblems(lock)).toEqual([]);
  });

  it('names no address, so that the machine says where packages come from and the hashes say which', () => {
    expect([...lock.packages.values()].filter(({ resolved }) => resolved !== undefined)).toEqual([]);
  });

  it.each<[string, Partial<LockedPackage>, RegExp]>([
    ['has no hash', { integrity: undefined }, /^node_modules\/yaml has no SHA-512 hash$/],
    ['has a weaker hash', { integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=' }, /yaml has no SHA-512 hash/],
    ['is a folder', { link: true }, /yaml is a folder of some machine/],
    ['has a commit for a version', { version: 'git+ssh://git@host.example/a.git#1234567' }, /yaml has no version/],
    ['names an address', { resolved: 'http://registry.example/yaml.tgz' }, /yaml names the address/],
    ['asks for a repository', { dependencies: { other: 'git+https://host.example/a.git' } }, /asks for other from els/],
    ['asks for a repository in short', { dependencies: { other: 'somebody/other' } }, /asks for other from elsewhere/],
    ['asks for an archive', { dependencies: { other: 'https://host.example/a.tgz' } }, /asks for other from elsewhere/],
    ['asks for a file', { dependencies: { other: 'file:../other' } }, /asks for other from elsewhere/],
    ['has a new install script', { installScript: true }, /^yaml has an install script that nobody has reviewed/],
  ])('would be refused where a package %s', (_, change, problem) => {
    expect(lockfileProblems(changed('node_modules/yaml', change))).toEqual([expect.stringMatching(problem)]);
  });

  it('may ask for another package of the registry under a name', () => {
    expect(lockfileProblems(changed('node_modules/yaml', { dependencies: { other: 'npm:@some/one@^1.2.3' } }))).toEqual(
      [],
    );
  });

  it('would be refused in an older form, and where the review of a script is of no use any more', () => {
    expect(lockfileProblems({ ...lock, version: 1 })).toEqual([expect.stringMatching(/lockfileVersion is not 3/)]);
    expect(lockfileProblems(changed('node_modules/koffi', { installScript: false }))).toEqual([
      expect.stringMatching(/^koffi has no install script any more/),
    ]);
  });

  it('leads to the package that Node would load: the nearest one', () => {
    const from = 'node_modules/google-gax';
    expect(resolvedFrom(lock, from, 'google-auth-library')?.path).toBe(`${from}/node_modules/google-auth-library`);
    expect(resolvedFrom(lock, from, 'protobufjs')?.path).toBe('node_modules/protobufjs');
    expect(resolvedFrom(lock, `${from}/node_modules/google-auth-library`, 'jws')?.path).toBe('node_modules/jws');
    expect(resolvedFrom(lock, from, 'no-such-package')).toBeUndefined();
  });

  it('is not read where it lists no packages', () => {
    expect(() => parseLockfile('{"lockfileVersion":1,"dependencies":{}}')).toThrow('lists no packages');
  });
});

describe('package.json', () => {
  it('pins every version', () => {
    expect(Object.keys(manifest.dependencies ?? {}).length).toBeGreaterThan(5);
    expect(manifestProblems(manifest)).toEqual([]);
  });

  it.each(['^1.2.3', '~1.2.3', '1.x', '*', 'latest', '>=1.2.3', 'npm:other@^1.0.0', 'github:a/b', ''])(
    'would be refused with %j for a version',
    (range) => {
      expect(manifestProblems({ devDependencies: { other: range } })).toEqual([
        'package.json does not pin other to one version',
      ]);
    },
  );

  it('has no script that npm would run by itself after an install or around another script', () => {
    const { scripts } = JSON.parse(readPage('package.json')) as { scripts: Readonly<Record<string, string>> };
    expect(Object.keys(scripts).filter((name) => /^(pre|post|install$|prepare$)/.test(name))).toEqual([]);
  });
});

describe('.npmrc', () => {
  const settings = new Map(
    readPage('.npmrc')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith(';'))
      .map((line) => line.split('=') as [string, string]),
  );

  it('runs no script of a package', () => {
    expect(settings.get('ignore-scripts')).toBe('true');
  });

  it('keeps addresses out of the lockfile and ranges out of package.json', () => {
    expect(settings.get('omit-lockfile-registry-resolved')).toBe('true');
    expect(settings.get('save-exact')).toBe('true');
  });

  it.each(['allow-git', 'allow-remote', 'allow-file', 'allow-directory'])('takes nothing by way of %s', (name) => {
    expect(settings.get(name)).toBe('none');
  });

  it('holds no credential and chooses no registry', () => {
    expect([...settings.keys()].filter((name) => /registry$|_auth|token|password|^\/\//i.test(name))).toEqual([]);
  });
});

it('is the only lockfile there is to look at: no folder below has a package.json of its own', () => {
  const skipped = new Set(['node_modules', 'dist', 'coverage', '.git']);
  const found = globSync('**/package.json', { cwd: projectRoot, exclude: (name) => skipped.has(basename(name)) });
  expect(found).toEqual(['package.json']);
});
