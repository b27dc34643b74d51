/** Key ids of a KMS plugin: the same on every node, never used for a second time, on the disk before they are shown. */
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { KeyIds } from '../../../src/app/key-ids.ts';
import { StateFolder } from '../../../src/app/state-folder.ts';
import type { KeyInfo } from '../../../src/kms/key-service.ts';
import { temporaryFolder } from '../../support/daemon.ts';

const key = (keyId: string, keyVersion = '', provider: KeyInfo['provider'] = 'aws_kms'): KeyInfo => ({
  ...{ provider, keyId, keyVersion },
});
type Row = Readonly<Record<string, unknown>>;
const [a, b] = [key('arn:a'), key('arn:b')];

async function open(path: string, generation = 1, tenantId = 'cluster'): Promise<KeyIds> {
  // Whoever opens it next is the process after this one.
  await using folder = await StateFolder.at(path);
  return await KeyIds.open({ folder, tenantId: () => tenantId, generation, now: () => 1000 });
}

describe('a key id', () => {
  test('is of the fixed form, short, and tells no name of the key', async () => {
    await using folder = await temporaryFolder();
    const { id } = await (await open(folder.path)).follow(a);
    expect(id).toBe('kp1.6e2c72ca1d98f4b12e6a8bf7faa67444.1');
    expect(id).not.toContain('arn');
  });

  test('is the same on nodes that know nothing of each other, and another for every part of the name', async () => {
    await using one = await temporaryFolder();
    await using two = await temporaryFolder();
    const idOn = async (path: string, of: KeyInfo, tenant = 'cluster') =>
      (await (await open(path, 1, tenant)).follow(of)).id;
    expect(await idOn(one.path, a)).toBe(await idOn(two.path, a));
    const others: [KeyInfo, string][] = [
      [b, 'cluster'],
      [key('arn:a', '1'), 'cluster'],
      [key('arn:a', '', 'vault'), 'cluster'],
      [a, 'cluster-2'],
    ];
    const ids = await Promise.all(
      others.map(async ([of, tenant]) => {
        await using folder = await temporaryFolder();
        return await idOn(folder.path, of, tenant);
      }),
    );
    expect(new Set([...ids, await idOn(one.path, a)]).size).toBe(5);
  });

  test('stays while the key stays, over a restart too', async () => {
    await using folder = await temporaryFolder();
    const { id } = await (await open(folder.path)).follow(a);
    const again = await open(folder.path);
    expect(again.current?.id).toBe(id);
    expect((await again.follow(a)).id).toBe(id);
    expect(await rowsIn(folder.path)).toHaveLength(1);
  });

  test('is never used again: A, B, A, B, A have five, over restarts', async () => {
    await using folder = await temporaryFolder();
    const ids: string[] = [];
    for (const each of [a, b, a, b, a]) ids.push((await (await open(folder.path)).follow(each)).id);
    expect(new Set(ids).size).toBe(5);
    expect(ids.map((id) => id.split('.')[2])).toEqual(['1', '1', '2', '2', '3']);
  });

  test('goes up to the generation that the file demands, and not down again', async () => {
    await using folder = await temporaryFolder();
    const { id } = await (await open(folder.path)).follow(a);
    const raised = await open(folder.path, 7);
    expect(raised.standingOf(a)).toBe('next');
    expect((await raised.follow(a)).id).toBe(id.replace(/1$/, '7'));
    const lowered = await open(folder.path, 1);
    expect(lowered.standingOf(a)).toBe('current');
    expect(lowered.current?.generation).toBe(7);
  });

  test('of a raised generation is the one of a node that has no history', async () => {
    await using old = await temporaryFolder();
    await using fresh = await temporaryFolder();
    for (const each of [a, b]) await (await open(old.path)).follow(each);
    const back = (await (await open(old.path, 2)).follow(a)).id;
    expect((await (await open(fresh.path, 2)).follow(a)).id).toBe(back);
  });
});

describe('a version of the key', () => {
  test.each(['vault', 'gcp_kms'] as const)(
    'of %s that is behind the current one is late, and no key of before',
    async (provider) => {
      await using folder = await temporaryFolder();
      const ids = await open(folder.path);
      await ids.follow(key('k', '9', provider));
      expect(ids.standingOf(key('k', '10', provider))).toBe('next');
      await ids.follow(key('k', '10', provider));
      expect(ids.standingOf(key('k', '9', provider))).toBe('older');
      expect(ids.standingOf(key('other', '9', provider))).toBe('next');
      const raised = await open(folder.path, 2);
      expect(raised.standingOf(key('k', '9', provider))).toBe('next');
    },
  );

  test('of Azure has no order: one that comes back gets a new id', async () => {
    await using folder = await temporaryFolder();
    const ids = await open(folder.path);
    const seen: string[] = [];
    for (const version of ['b1', 'a2', 'b1']) seen.push((await ids.follow(key('k', version, 'azure_kv'))).id);
    expect(new Set(seen).size).toBe(3);
    expect(ids.standingOf(key('k', 'a2', 'azure_kv'))).toBe('returning');
    expect(ids.standingOf(key('k', 'c3', 'azure_kv'))).toBe('next');
    expect(ids.standingOf(key('other', 'a2', 'azure_kv'))).toBe('next');
  });
});

test("a history of another tenant is refused, and its ids are nobody else's", async () => {
  await using folder = await temporaryFolder();
  await (await open(folder.path)).follow(a);
  (await open(folder.path)).expectTenant();
  const other = await open(folder.path, 1, 'cluster-2');
  expect(() => other.expectTenant()).toThrow(
    /key-ids\.json is of the tenant cluster, and the tenant's file names cluster-2: put the old tenant_id back, or give/,
  );
});

describe('the file', () => {
  test('is its owner alone to read, and whole', async () => {
    await using folder = await temporaryFolder();
    await (await open(folder.path)).follow(a);
    const file = join(folder.path, 'key-ids.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ version: 1, rows: [{ keyId: 'arn:a' }] });
  });

  test('has one row where many ask at once', async () => {
    await using folder = await temporaryFolder();
    const ids = await open(folder.path);
    const got = await Promise.all(Array.from({ length: 20 }, () => ids.follow(a)));
    expect(new Set(got.map(({ id }) => id)).size).toBe(1);
    expect(await rowsIn(folder.path)).toHaveLength(1);
  });

  test('that cannot be written leaves the id as it was', async () => {
    await using folder = await temporaryFolder();
    const ids = await open(folder.path);
    const { id } = await ids.follow(a);
    const aside = `${folder.path}-aside`;
    await using _moved = await movedAway(folder.path, aside);
    await expect(ids.follow(b)).rejects.toThrow('ENOENT');
    expect(ids.current?.id).toBe(id);
  });

  const bad: [string, string][] = [
    ['no JSON', '{"version":1,"rows":['],
    ['another version', '{"version":2,"rows":[]}'],
    ['a row that is none', '{"version":1,"rows":[{"id":"x"}]}'],
    ['no row', '{"version":1,"rows":[]}'],
    ['nothing', ''],
  ];
  test.each(bad)('with %s is refused with the ways out, and stays where it is', async (_what, text) => {
    await using folder = await temporaryFolder();
    await refuses(folder.path, text);
  });

  const damaged: [string, (rows: [Row, Row, Row]) => unknown[]][] = [
    ['a row that is null', ([, b1, a2]) => [null, b1, a2]],
    ['a row twice', ([a1, b1, a2]) => [a1, b1, a2, b1]],
    ['another generation than its id', ([a1, b1, a2]) => [a1, b1, { ...a2, generation: 1 }]],
    ['another generation with its id', ([a1, b1, a2]) => [a1, b1, { ...a2, generation: 4_000_000 }]],
    ['another key than its id', ([a1, b1, a2]) => [a1, { ...b1, keyId: 'arn:c' }, a2]],
    ['another version than its id', ([a1, b1, a2]) => [a1, { ...b1, keyVersion: '2' }, a2]],
    ['another tenant than its id', ([a1, b1, a2]) => [a1, { ...b1, tenant: 'other' }, a2]],
    ['no time', ([a1, b1, a2]) => [a1, { ...b1, since: null }, a2]],
  ];
  test.each(damaged)('whose rows have %s is refused as a whole', async (_what, damage) => {
    await using folder = await temporaryFolder();
    for (const each of [a, b, a]) await (await open(folder.path)).follow(each);
    const rows = await rowsIn(folder.path);
    await refuses(folder.path, JSON.stringify({ version: 1, rows: damage(rows as [Row, Row, Row]) }));
  });

  test('with rows of two tenants is refused, though each is sound', async () => {
    await using one = await temporaryFolder();
    await using two = await temporaryFolder();
    await (await open(one.path)).follow(a);
    await (await open(two.path, 1, 'cluster-2')).follow(a);
    const rows = [...(await rowsIn(one.path)), ...(await rowsIn(two.path))];
    await refuses(one.path, JSON.stringify({ version: 1, rows }));
  });
});

async function rowsIn(path: string): Promise<Row[]> {
  const { rows }: { rows: Row[] } = JSON.parse(await readFile(join(path, 'key-ids.json'), 'utf8'));
  return rows;
}

/** Expects a start with a file of this text to end, and the file to stay. */
async function refuses(path: string, text: string): Promise<void> {
  const file = join(path, 'key-ids.json');
  await writeFile(file, text, { mode: 0o600 });
  await expect(open(path)).rejects.toThrow(
    /key-ids\.json cannot be read, and without it a key id might be used twice: copy the file of another control-plane node, or delete it and raise generation on all of them/,
  );
  expect(await readFile(file, 'utf8')).toBe(text);
}

async function movedAway(path: string, aside: string): Promise<AsyncDisposable> {
  await rename(path, aside);
  return { [Symbol.asyncDispose]: () => rename(aside, path) };
}
