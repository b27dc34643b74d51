/** A small build to look at: two packages in the bundle, one beside it, one that left nothing. */
import type { Metafile } from 'esbuild';
import { type Lockfile, parseLockfile } from '../../../build/lockfile.ts';

function hash(byte: number): string {
  return `sha512-${Buffer.alloc(64, byte).toString('base64')}`;
}

function locked(byte: number, dependencies: Readonly<Record<string, string>> = {}) {
  return { version: `${byte}.0.0`, license: 'MIT', integrity: hash(byte), dependencies };
}

/** `left` reaches `deep` only by way of `gone`; `twice` is there in two folders in one version. */
export const packages = {
  '': {
    name: 'product',
    version: '7.0.0',
    license: 'Apache-2.0',
    dependencies: { '@some/left': '1.0.0', beside: '4.0.0' },
  },
  'node_modules/@some/left': locked(1, { gone: '^2.0.0', twice: '^5.0.0' }),
  'node_modules/gone': locked(2, { deep: '^3.0.0' }),
  'node_modules/deep': locked(3, { twice: '^5.0.0' }),
  'node_modules/beside': locked(4),
  'node_modules/twice': locked(5),
  'node_modules/deep/node_modules/twice': locked(5),
  'node_modules/tool': { ...locked(6), dev: true },
} as const;

/** A lockfile with these packages. */
export function lockOf(entries: Readonly<Record<string, object>> = packages): Lockfile {
  return parseLockfile(JSON.stringify({ lockfileVersion: 3, packages: entries }));
}

/** esbuild's account of one output into which so many bytes of each file went. */
export function metafileOf(inputs: Readonly<Record<string, number>>): Metafile {
  const entries = Object.entries(inputs).map(([file, bytesInOutput]) => [file, { bytesInOutput }]);
  return {
    inputs: {},
    outputs: { 'dist/product.js': { bytes: 1, inputs: Object.fromEntries(entries), imports: [], exports: [] } },
  };
}

/** What went into the bundle: all but `gone` and `tool`. */
export const bundled: Metafile = metafileOf({
  'src/main.ts': 10,
  'node_modules/@some/left/index.js': 10,
  'node_modules/@some/left/lib/a.js': 10,
  'node_modules/gone/index.js': 0,
  'node_modules/deep/index.js': 1,
  'node_modules/deep/node_modules/twice/index.js': 1,
  'node_modules/twice/index.js': 1,
});
