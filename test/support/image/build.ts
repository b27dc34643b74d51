/**
 * Builds the image as a folder, by the Dockerfile's own steps, in roots of their own and with only what `.dockerignore`
 * lets in. What no registry of packages has stands in: for the image that builds, this machine's programs and the Node
 * of the lockfile; for the image that runs, that Node as `/nodejs/bin/node`, and this machine's libraries.
 */
import { execFile } from 'node:child_process';
import { existsSync, lstatSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot, readPage } from '../pages.ts';
import { type DockerfileModel, readDockerfile, type Stage, type Step, stageOf, stepsOf } from './dockerfile.ts';
import { type Inside, runInside } from './root.ts';

const run = promisify(execFile);

/** Files that a COPY of the last stage adds. */
export interface Layer {
  /** Where it goes in the image. */
  readonly at: string;
  /** A folder with these files alone, from the image's root on. */
  readonly folder: string;
}

export interface BuiltImage extends AsyncDisposable {
  /** All of the image, the parts that stand in for others included. */
  readonly root: string;
  readonly layers: readonly Layer[];
  readonly model: DockerfileModel;
  /** What an engine would run it with: libraries that stand in for the base's. */
  readonly mounts: Inside['mounts'];
}

/** Where programs and libraries of this machine are. */
const systemFolders = ['/usr', '/etc', '/bin', '/sbin', '/lib', '/lib64', '/proc', '/dev'];
const libraryFolders = ['/usr/lib', '/usr/lib64', '/lib', '/lib64', '/proc', '/dev'];
/** Where the Node of the lockfile is found in the stage that builds. */
const standInPath = '/image-node';

/** Builds it. Rejects where a step fails, with what the step said. */
export async function buildImage(): Promise<BuiltImage> {
  const model = readDockerfile();
  const folder = await mkdtemp(join(tmpdir(), 'keyproxy-image-'));
  const drop = () => rm(folder, { recursive: true, force: true });
  try {
    const roots: Record<string, string> = {};
    for (const { name } of model.stages) {
      roots[name] = join(folder, name || 'image');
      await mkdir(join(roots[name], 'tmp'), { recursive: true, mode: 0o755 });
    }
    const runtime = roots['runtime'] ?? '';
    await putNode(join(runtime, 'nodejs/bin'));
    await buildStage(stageOf(model, 'build'), roots);
    const layers = await layersOf(stageOf(model, ''), roots, folder);
    const root = roots[''] ?? '';
    for (const source of [runtime, ...layers.map((layer) => layer.folder)])
      await run('cp', ['-a', `${source}/.`, root]);
    return { root, layers, model, mounts: await seen(root, libraryFolders), [Symbol.asyncDispose]: drop };
  } catch (error) {
    await drop();
    throw error;
  }
}

async function putNode(folder: string): Promise<void> {
  const require = createRequire(import.meta.url);
  await mkdir(folder, { recursive: true });
  await copyFile(require.resolve(`node-linux-${process.arch}/bin/node`), join(folder, 'node'));
}

/** Carries out the steps of the stage that builds, in order. */
async function buildStage(stage: Stage, roots: Readonly<Record<string, string>>): Promise<void> {
  const root = roots[stage.name] ?? '';
  await run('chmod', ['1777', join(root, 'tmp')]);
  await putNode(join(root, standInPath));
  const home = homedir();
  const mounts = [...(await seen(root, systemFolders)), { from: home, at: home, mode: 'rw' } as const];
  const inside: Inside = { root, mounts, readOnly: false, user: '0:0', env: buildEnvironment(home) };
  const state = { cwd: '/', user: '0:0' };
  for (const step of stage.steps) {
    switch (step.keyword) {
      case 'WORKDIR':
        state.cwd = resolve(state.cwd, step.text);
        await mkdir(join(root, state.cwd), { recursive: true });
        break;
      case 'USER':
        state.user = step.text;
        break;
      case 'COPY':
        await copy(step, { root, cwd: state.cwd, roots });
        break;
      case 'RUN': {
        const command = ['sh', '-c', `cd ${state.cwd} && ${step.text}`];
        const { code, stdout, stderr } = await runInside({ ...inside, user: state.user }, command);
        if (code !== 0) throw new Error(`RUN ${step.text}\n${stdout}${stderr}`);
      }
    }
  }
}

/** What of this process's environment says where packages come from; npm's word on the script it runs is left out. */
function buildEnvironment(home: string): Record<string, string> {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(?:npm_(?!config_(?:registry|cache|userconfig)$)|NODE_|INIT_CWD|TMPDIR|VITEST|KEYPROXY)/.test(name),
  );
  const path = `${standInPath}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
  return { ...Object.fromEntries(own.map(([name, value]) => [name, value ?? ''])), PATH: path, HOME: home };
}

/** Each COPY of the last stage as a folder of its own, owned as the step says. */
async function layersOf(stage: Stage, roots: Readonly<Record<string, string>>, folder: string): Promise<Layer[]> {
  const layers: Layer[] = [];
  for (const step of stepsOf(stage, 'COPY')) {
    const root = join(folder, `layer-${layers.length}`);
    await mkdir(root);
    await copy(step, { root, cwd: '/', roots });
    layers.push({ at: step.text.split(' ').at(-1) ?? '', folder: root });
  }
  return layers;
}

/** A COPY: out of the context, or out of another stage. */
async function copy(
  { text, flags }: Step,
  to: { root: string; cwd: string; roots: Readonly<Record<string, string>> },
): Promise<void> {
  const words = text.split(' ');
  const target = join(to.root, resolve(to.cwd, words.at(-1) ?? ''));
  await mkdir(target, { recursive: true });
  for (const source of words.slice(0, -1)) {
    const from = flags['from'];
    if (from !== undefined) await run('cp', ['-a', `${join(to.roots[from] ?? '', source)}/.`, target]);
    else for (const name of source === '.' ? contextNames() : [source]) await copyOfContext(name, target);
  }
  if (flags['chown'] !== undefined) await run('chown', ['-R', flags['chown'], target]);
}

async function copyOfContext(name: string, target: string): Promise<void> {
  if (!contextNames().includes(name)) throw new Error(`.dockerignore keeps ${name} out`);
  await run('cp', ['-a', join(projectRoot, name), target]);
}

/** What `.dockerignore` lets in: it keeps everything out and then names files and folders. */
export function contextNames(): string[] {
  const lines = readPage('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const [first, ...names] = lines;
  if (first !== '*' || !names.every((name) => /^![\w.-]+$/.test(name))) {
    throw new Error('.dockerignore has to keep everything out (*) and then name what may come in (!name)');
  }
  return names.map((name) => name.slice(1));
}

/** Folders of this machine to be seen in a root; where one is a link here, it is the same link there. */
async function seen(root: string, folders: readonly string[]): Promise<Inside['mounts']> {
  const mounts: { from: string; at: string; mode: 'ro' | 'rw' }[] = [];
  for (const folder of folders.filter((name) => existsSync(name))) {
    if (!lstatSync(folder).isSymbolicLink())
      mounts.push({ from: folder, at: folder, mode: folder === '/dev' ? 'rw' : 'ro' });
    else {
      await mkdir(dirname(join(root, folder)), { recursive: true });
      await symlink(await readlink(folder), join(root, folder));
    }
  }
  return mounts;
}

/** Every file of a folder, by its path in there, sorted. */
export async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length))
    .sort();
}
