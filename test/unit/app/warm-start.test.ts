/** Warm start: what was in use is fetched again behind everybody's back, and what could not be is not forgotten. */
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateFolder } from '../../../src/app/state-folder.ts';
import { WarmStart } from '../../../src/app/warm-start.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { WatchedEngine } from '../../support/watched-engine.ts';

let parent: Awaited<ReturnType<typeof temporaryFolder>>;
let folder: StateFolder;
beforeEach(async () => {
  parent = await temporaryFolder();
  folder = await StateFolder.at(parent.path);
});
afterEach(async () => {
  await folder[Symbol.asyncDispose]();
  await parent[Symbol.asyncDispose]();
});

const more = '  cache_config: { warm_start: true }';

function world(key: FakeKeyService, { file = more }: { file?: string } = {}) {
  const engine = new WatchedEngine();
  const tenant = engine.watch({ current: key, more: file });
  const told: string[] = [];
  const warmStart = new WarmStart({
    ...{ folder, clock: engine.clock, random: () => 0.5, registry: engine.registry, cache: engine.cache },
    keys: engine.engine.keys,
    onWarmed: (id, { fetched, of }) => told.push(`${id} ${fetched} of ${of}`),
    onFailure: (id, error) => told.push(`${id} ${String(error)}`),
  });
  const warmed = async () => {
    warmStart.start();
    for (let i = 0; i < 1_000 && told.length === 0; i++) {
      // Files are read in real time.
      await new Promise((done) => setTimeout(done, 2));
      await engine.pass(500, 100);
    }
  };
  return { engine, tenant, warmStart, told, warmed };
}

async function used(key: FakeKeyService, count: number): Promise<Buffer[]> {
  const { engine, warmStart } = world(key);
  warmStart.start();
  const made: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    made.push((await engine.generate('a', { source: 2, context: { n: String(i) } })).wrappedDek);
    await engine.pass(100, 100);
  }
  await warmStart.save();
  await warmStart[Symbol.asyncDispose]();
  return made;
}

describe('a warm start', () => {
  it('has the keys back that were in use before, without a caller, and the first call is a hit', async () => {
    const key = new FakeKeyService('cmk-a');
    const [first] = await used(key, 5);
    const { engine, warmed, told } = world(key);
    await warmed();
    expect(told).toEqual(['a 5 of 5']);
    expect(key.calls.unwrap).toBe(5);
    await engine.unwrap('a', first ?? Buffer.alloc(0), { context: { n: '0' } });
    expect(key.calls.unwrap).toBe(5);
  });

  it('writes no plaintext down', async () => {
    const key = new FakeKeyService('cmk-a');
    const secrets: Buffer[] = [];
    const { engine, warmStart } = world(key);
    warmStart.start();
    for (let i = 0; i < 3; i++) {
      const made = await engine.generate('a', { source: 2, context: { n: String(i) } });
      if (made.plaintext !== undefined) secrets.push(Buffer.from(made.plaintext.reveal()));
    }
    await warmStart.save();
    const file = await readFile(join(folder.path, 'warm-a.json'));
    expect(secrets).toHaveLength(3);
    expect(file.includes('entries')).toBe(true);
    for (const secret of secrets) {
      for (const form of ['latin1', 'hex', 'base64', 'base64url'] as const)
        expect(file.includes(Buffer.from(secret.toString(form), 'latin1'))).toBe(false);
    }
  });

  it('stays inside the limit of calls, and callers come first', async () => {
    const key = new FakeKeyService('cmk-a');
    await used(key, 60);
    const { engine, told, warmStart } = world(key, {
      file: `${more}\n  limits: { kms_calls_per_second: 10 }`,
    });
    const before = key.callCount;
    warmStart.start();
    for (let i = 0; i < 1_000 && key.callCount === before; i++) {
      await new Promise((done) => setTimeout(done, 2));
      await engine.pass(100, 100);
    }
    await engine.pass(500, 100);
    const soFar = key.callCount - before;
    expect(soFar).toBeLessThanOrEqual(8);
    await engine.encrypt('a', 'x');
    await engine.pass(3_000, 100);
    expect(key.callCount - before).toBeLessThanOrEqual(10 * 4 + 1);
    expect(told).toEqual([]);
  });

  it('leaves a silent service alone after a few attempts, and forgets nothing', async () => {
    const key = new FakeKeyService('cmk-a');
    await used(key, 10);
    const silent = world(key);
    key.fault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
    const before = key.callCount;
    await silent.warmed();
    expect(silent.told).toEqual(['a 0 of 10']);
    expect(key.callCount - before).toBeLessThanOrEqual(12);
    await silent.warmStart.save();
    key.fault = undefined;
    const again = world(key);
    await again.warmed();
    expect(again.told).toEqual(['a 10 of 10']);
  });

  it('is for tenants alone that ask for it', async () => {
    const key = new FakeKeyService('cmk-a');
    await used(key, 2);
    const { warmStart, engine, told } = world(key, { file: '' });
    warmStart.start();
    await engine.pass(10_000);
    expect([told, key.calls.unwrap]).toEqual([[], 0]);
  });

  it.each(['', '{"version":9,"rows":[]}', 'not json'])('says that a file is none where it is %j', async (text) => {
    await writeFile(join(folder.path, 'warm-a.json'), text);
    const { warmed, told } = world(new FakeKeyService('cmk-a'));
    await warmed();
    expect(told).toEqual(['a Error: the file is not one of keyproxy, or of another version']);
  });

  it('skips rows that are none, and entries of keys that are configured no longer', async () => {
    const key = new FakeKeyService('cmk-a');
    await used(key, 2);
    const path = join(folder.path, 'warm-a.json');
    const { rows } = JSON.parse(await readFile(path, 'utf8'));
    const noise = [{}, { entries: 'AA', context: '' }, { entries: 17, context: '' }, { ...rows[0], context: '!!!' }];
    await writeFile(path, JSON.stringify({ version: 1, rows: [...noise, ...rows] }));
    const other = new FakeKeyService('cmk-b');
    const { warmed, told } = world(other);
    await warmed();
    expect(told).toHaveLength(1);
    expect(other.callCount).toBe(0);
  });

  it('saves nothing of what is left of a cache after its end, however long a saving takes', async () => {
    const key = new FakeKeyService('cmk-a');
    const { engine, warmStart, tenant } = world(key);
    for (const id of ['b', 'c', 'd']) engine.watch({ id, current: new FakeKeyService(`cmk-${id}`), more });
    warmStart.start();
    for (const id of ['a', 'b', 'c', 'd']) await engine.generate(id, { source: 2 });
    await warmStart.save();
    for (const id of ['a', 'b', 'c', 'd']) await engine.generate(id, { source: 2 });
    const saving = warmStart.save();
    const disposed = warmStart[Symbol.asyncDispose]();
    engine.cache[Symbol.dispose]();
    await Promise.all([saving, disposed]);
    for (const id of [tenant.id, 'b', 'c', 'd']) {
      const { rows } = JSON.parse(await readFile(join(folder.path, `warm-${id}.json`), 'utf8'));
      expect(rows.length).toBeGreaterThan(0);
    }
  });

  it('finds what a tenant used before also where its file was bad at the start, and forgets a tenant that goes', async () => {
    const key = new FakeKeyService('cmk-a');
    await used(key, 3);
    const { engine, warmStart, told, tenant } = world(new FakeKeyService('cmk-b'), { file: '' });
    engine.tenants.remove(tenant.id);
    warmStart.start();
    warmStart.served(engine.watch({ current: key, more }));
    for (let i = 0; i < 1_000 && told.length === 0; i++) {
      await new Promise((done) => setTimeout(done, 2));
      await engine.pass(500, 100);
    }
    expect(told).toEqual(['a 3 of 3']);
    engine.tenants.remove(tenant.id);
    await warmStart.save();
    expect(await readdir(folder.path)).toEqual(['lock']);
  });

  it('removes the files of tenants that nobody has served for a week or that have no warm start, and no others', async () => {
    const { engine, warmStart } = world(new FakeKeyService('cmk-a'));
    engine.watch({ id: 'off', current: new FakeKeyService('cmk-off') });
    const names = ['warm-a.json', 'warm-off.json', 'warm-gone.json', 'warm-new.json', 'refusals.json'];
    for (const name of names) await writeFile(join(folder.path, name), '{"version":1,"rows":[]}');
    const old = new Date(engine.clock.now() - 8 * 86_400_000);
    const young = new Date(engine.clock.now() - 6 * 86_400_000);
    for (const name of names) await utimes(join(folder.path, name), old, name === 'warm-new.json' ? young : old);
    warmStart.start();
    await expect
      .poll(() => readdir(folder.path).then((found) => found.toSorted()))
      .toEqual(['lock', 'refusals.json', 'warm-a.json', 'warm-new.json']);
  });
});
