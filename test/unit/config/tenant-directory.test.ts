import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { largestFile } from '../../../src/config/file.ts';
import type { TenantChange } from '../../../src/config/last-good.ts';
import { describeProblems } from '../../../src/config/problem.ts';
import { loadTenantDirectory } from '../../../src/config/tenant-directory.ts';
import { watchTenantDirectory } from '../../../src/config/watch.ts';

const options = { allowLocal: true, trustedEndpoints: [] };

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'keyproxy-tenants-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

function text(id: string, customer = 'c'): string {
  return `customer: ${customer}\ntenant_id: ${id}\nencryption: {provider: local, local: {key_name: k, key_file: k}}\n`;
}

/** Puts a file in place as a whole, so that no look can find half of it. */
async function put(file: string, content: string): Promise<void> {
  const draft = join(dirname(file), `.${basename(file)}.draft`);
  await writeFile(draft, content);
  await rename(draft, file);
}

/** A folder as the kubelet lays it out: files that link through `..data` into the folder of a generation. */
async function mountGeneration(path: string, generation: string, files: Record<string, string>): Promise<void> {
  await mkdir(join(path, generation));
  for (const [name, content] of Object.entries(files)) await writeFile(join(path, generation, name), content);
  await symlink(generation, join(path, '..data_tmp'));
  await rename(join(path, '..data_tmp'), join(path, '..data'));
}

describe('loadTenantDirectory', () => {
  test('reads every yaml and yml file and nothing else', async () => {
    const path = await folder();
    await writeFile(join(path, 'a.yaml'), text('a'));
    await writeFile(join(path, 'b.yml'), text('b'));
    for (const other of ['.hidden.yaml', 'c.yaml~', 'README.md', 'c.yaml.swp'])
      await writeFile(join(path, other), 'x: [');
    const { tenants, problems } = await loadTenantDirectory(path, options);
    expect(problems).toEqual([]);
    expect([...tenants].map(([id, { file, config }]) => [id, file, config.tenantId])).toEqual([
      ['a', join(path, 'a.yaml'), 'a'],
      ['b', join(path, 'b.yml'), 'b'],
    ]);
  });

  test('follows the links of a mounted ConfigMap and reads each file once', async () => {
    const path = await folder();
    await mountGeneration(path, '..2024_1', { 'a.yaml': text('a') });
    await symlink(join('..data', 'a.yaml'), join(path, 'a.yaml'));
    const { tenants, problems } = await loadTenantDirectory(path, options);
    expect(problems).toEqual([]);
    expect([...tenants.keys()]).toEqual(['a']);
  });

  test('serves the sound files and tells of every other one', async () => {
    const path = await folder();
    await writeFile(join(path, 'good.yaml'), text('good'));
    await writeFile(join(path, 'bad.yaml'), text('bad').replace('provider', 'povider'));
    await writeFile(join(path, 'huge.yaml'), `${text('huge')}#${' '.repeat(largestFile)}`);
    await writeFile(join(path, 'latin1.yaml'), Buffer.from(text('l', 'S\xf6hne'), 'latin1'));
    await writeFile(join(path, 'twice-1.yaml'), text('twice'));
    await writeFile(join(path, 'twice-2.yaml'), text('twice'));
    await symlink('nowhere', join(path, 'dangling.yaml'));
    await mkdir(join(path, 'folder.yaml'));
    execFileSync('mkfifo', [join(path, 'pipe.yaml')]);
    const { tenants, problems } = await loadTenantDirectory(path, options);
    expect([...tenants.keys()]).toEqual(['good']);
    const told = describeProblems(problems.map((problem) => ({ ...problem, file: basename(problem.file) })));
    expect(told.replaceAll(`${path}/`, '').split('\n')).toEqual([
      expect.stringMatching(/^bad.yaml:3: encryption.provider: is missing/),
      expect.stringMatching(/^bad.yaml:3: encryption.povider: is an unknown key; did you mean provider\?$/),
      'dangling.yaml: cannot be read (ENOENT)',
      'folder.yaml: is not a regular file',
      'huge.yaml: is larger than the 262144 bytes that a file of configuration may have',
      'latin1.yaml: is not valid UTF-8',
      'pipe.yaml: is not a regular file',
      'twice-2.yaml: tenant_id: twice is also the tenant of twice-1.yaml; a tenant has one file, so neither is taken',
    ]);
  });

  test('a folder that is not there is one problem', async () => {
    const path = join(await folder(), 'none');
    const { tenants, problems } = await loadTenantDirectory(path, options);
    expect(tenants.size).toBe(0);
    expect(describeProblems(problems)).toBe(`${path}: the folder of tenant files cannot be read (ENOENT)`);
  });
});

/** Watches `path` and lets a test wait for announcements, one after another. */
async function watching(path: string, rescanMs = 60_000) {
  const changes: TenantChange[] = [];
  let arrived = () => {};
  const initial = await loadTenantDirectory(path, options);
  const watch = watchTenantDirectory(path, { ...options, initial, debounceMs: 20, rescanMs }, (change) => {
    changes.push(change);
    arrived();
  });
  onTestFinished(() => watch[Symbol.asyncDispose]());
  // The watch is on the folder once its first look is over; what is written before is found by that look.
  return {
    changes,
    stop: () => watch[Symbol.asyncDispose](),
    async next(): Promise<TenantChange> {
      while (changes.length === 0) {
        await new Promise<void>((done) => {
          arrived = done;
        });
      }
      const change = changes.shift();
      if (change === undefined) throw new Error('no change');
      return change;
    },
  };
}

function ids(change: TenantChange) {
  return {
    served: [...change.tenants.values()].map(({ config }) => `${config.tenantId} ${config.customer}`).toSorted(),
    changed: change.changed.map(({ config }) => config.tenantId),
    removed: change.removed,
    problems: change.problems.length,
  };
}

const quiet = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

describe('watchTenantDirectory', () => {
  test('announces an edit, a new file, an atomic replacement and a removal', async () => {
    const path = await folder();
    const file = join(path, 'a.yaml');
    await put(file, text('a'));
    const watch = await watching(path);
    await put(join(path, 'b.yaml'), text('b'));
    expect(ids(await watch.next())).toEqual({ served: ['a c', 'b c'], changed: ['b'], removed: [], problems: 0 });
    await put(file, text('a', 'new'));
    expect(ids(await watch.next())).toEqual({ served: ['a new', 'b c'], changed: ['a'], removed: [], problems: 0 });
    await rm(join(path, 'b.yaml'));
    expect(ids(await watch.next())).toEqual({ served: ['a new'], changed: [], removed: ['b'], problems: 0 });
  });

  test("announces Kubernetes' exchange of the ..data link once, with all files of the new generation", async () => {
    const path = await folder();
    await mountGeneration(path, '..2024_1', { 'a.yaml': text('a'), 'b.yaml': text('b') });
    for (const name of ['a.yaml', 'b.yaml']) await symlink(join('..data', name), join(path, name));
    const watch = await watching(path);
    await mountGeneration(path, '..2024_2', { 'a.yaml': text('a', 'new'), 'b.yaml': text('b', 'new') });
    await rm(join(path, '..2024_1'), { recursive: true });
    expect(ids(await watch.next())).toEqual({
      served: ['a new', 'b new'],
      changed: ['a', 'b'],
      removed: [],
      problems: 0,
    });
    await quiet(100);
    expect(watch.changes).toEqual([]);
  });

  test('a file that goes bad keeps its tenant, is told once, and is taken again when it is mended', async () => {
    const path = await folder();
    const file = join(path, 'a.yaml');
    await put(file, text('a'));
    const watch = await watching(path, 30);
    await put(file, 'customer: [');
    const change = await watch.next();
    expect(ids(change)).toMatchObject({ served: ['a c'], changed: [], removed: [] });
    expect(change.problems.length).toBeGreaterThan(0);
    await quiet(100);
    expect(watch.changes).toEqual([]);
    await put(file, text('a', 'mended'));
    expect(ids(await watch.next())).toEqual({ served: ['a mended'], changed: ['a'], removed: [], problems: 0 });
  });

  test('a rewrite of the same bytes is not announced', async () => {
    const path = await folder();
    await put(join(path, 'a.yaml'), text('a'));
    const watch = await watching(path, 20);
    for (let i = 0; i < 3; i++) {
      await put(join(path, 'a.yaml'), text('a'));
      await quiet(40);
    }
    expect(watch.changes).toEqual([]);
  });

  test('survives the folder vanishing and coming back as another one', async () => {
    const path = join(await folder(), 'tenants');
    await mkdir(path);
    await put(join(path, 'a.yaml'), text('a'));
    const watch = await watching(path, 50);
    await rename(path, `${path}-away`);
    expect(ids(await watch.next())).toEqual({ served: ['a c'], changed: [], removed: [], problems: 1 });
    await mkdir(`${path}-new`);
    await put(join(`${path}-new`, 'a.yaml'), text('a', 'back'));
    await rename(`${path}-new`, path);
    expect(ids(await watch.next())).toEqual({ served: ['a back'], changed: ['a'], removed: [], problems: 0 });
    await put(join(path, 'b.yaml'), text('b'));
    expect(ids(await watch.next())).toMatchObject({ changed: ['b'] });
  });

  test('finds by its slow look what no notice tells: a file behind a link to another folder', async () => {
    const [path, elsewhere] = [await folder(), await folder()];
    await put(join(elsewhere, 'a.yaml'), text('a'));
    await symlink(join(elsewhere, 'a.yaml'), join(path, 'a.yaml'));
    const watch = await watching(path, 30);
    await put(join(elsewhere, 'a.yaml'), text('a', 'new'));
    expect(ids(await watch.next())).toMatchObject({ changed: ['a'] });
  });

  test('announces again what its receiver could not take, and throws nothing', async () => {
    const path = await folder();
    const initial = await loadTenantDirectory(path, options);
    const taken = Promise.withResolvers<void>();
    let calls = 0;
    const watch = watchTenantDirectory(path, { ...options, initial, debounceMs: 10, rescanMs: 20 }, async () => {
      calls++;
      if (calls < 3) throw new Error('not now');
      taken.resolve();
    });
    onTestFinished(() => watch[Symbol.asyncDispose]());
    await put(join(path, 'a.yaml'), text('a'));
    await taken.promise;
    await quiet(80);
    expect(calls).toBe(3);
  });

  test('is silent after it was disposed of', async () => {
    const path = await folder();
    const watch = await watching(path, 10);
    await watch.stop();
    await put(join(path, 'a.yaml'), text('a'));
    await quiet(80);
    expect(watch.changes).toEqual([]);
  });
});
