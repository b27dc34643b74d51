/**
 * `npm run build`: the program as it ships. One entry, `dist/keyproxy.js`, and chunks under `dist/chunks` that are
 * loaded when they are needed: one a command, one a provider, so that a vendor's SDK is read by those alone who use it.
 *
 * Names stay whole: stack traces are read by people, and shorter names save neither time nor memory that can be
 * measured. The image has a compile cache besides (build/compile.ts).
 */
import { chmod, copyFile, cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { writePapers } from './build/papers.ts';

const root = import.meta.dirname;

/** What to bundle. */
export interface Bundle {
  /** The module to start from, absolute. */
  readonly entry: string;
  /** File name of the result, without `.js`. */
  readonly name: string;
  /** Where it goes, absolute; what was there is removed. */
  readonly folder: string;
}

/** CommonJS dependencies ask for Node's own modules by `require`, which an ES module does not have. */
const requireShim =
  "import { createRequire as createRequireOfNode } from 'node:module'; const require = createRequireOfNode(import.meta.url);";

/** The one package with native code (src/identity/peer-credentials.ts); it ships beside the bundle, as it is. */
const nativePackage = 'koffi';
/** Its native halves, one a platform; npm installs the one of this machine. */
const nativeScope = '@koromix';

/** Bundles `entry` for Node 24 and returns esbuild's account of what went where. Rejects where a module is missing. */
export async function bundle({ entry, name, folder }: Bundle): Promise<Metafile> {
  await rm(folder, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { [name]: entry },
    outdir: folder,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // The ES modules of a package, where it has both: only they can be cut down to what is used.
    mainFields: ['module', 'main'],
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'linked',
    banner: { js: requireShim },
    // The same for the place of a module: google-gax takes it when it is loaded.
    define: { __dirname: 'import.meta.dirname', __filename: 'import.meta.filename' },
    // Looks for its native half beside itself.
    external: [nativePackage],
    metafile: true,
    logLevel: 'warning',
  });
  return metafile;
}

/**
 * Builds keyproxy into `folder`, with the descriptors that reflection hands out, the bill of materials and the licences
 * of others beside it. Rejects where something would ship that must not: docs/supply-chain.md.
 */
export async function buildKeyproxy(folder: string): Promise<Metafile> {
  const metafile = await bundle({ entry: join(root, 'src/main.ts'), name: 'keyproxy', folder });
  await mkdir(join(folder, 'proto'), { recursive: true });
  await copyFile(join(root, 'proto/descriptors.binpb'), join(folder, 'proto/descriptors.binpb'));
  // Without it, Node takes every file for CommonJS first and reads it again (Node.js, "Syntax detection").
  await writeFile(join(folder, 'package.json'), '{"type":"module"}\n');
  const beside = await copyNative(join(folder, 'node_modules'));
  await writePapers({ root, folder, metafile, beside, sourceDate: process.env['SOURCE_DATE_EPOCH'] });
  await chmod(join(folder, 'keyproxy.js'), 0o755);
  return metafile;
}

/** Copies what the native package needs when it runs, no sources, no documents. Returns what it copied, by path. */
async function copyNative(folder: string): Promise<string[]> {
  const wanted = ['', '.js', '.cjs', '.json', '.node', '.txt'];
  const halves = await readdir(join(root, 'node_modules', nativeScope));
  const names = [nativePackage, ...halves.map((name) => `${nativeScope}/${name}`)];
  for (const name of names) {
    await cp(join(root, 'node_modules', name), join(folder, name), {
      recursive: true,
      filter: (path) => wanted.includes(extname(path)),
    });
  }
  return names.map((name) => `node_modules/${name}`);
}

if (import.meta.main) await buildKeyproxy(join(root, 'dist'));
