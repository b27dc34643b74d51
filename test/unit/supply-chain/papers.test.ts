/** The papers of the real build: complete, and about what is there. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writePapers } from '../../../build/papers.ts';
import { buildKeyproxy } from '../../../build.ts';
import { version } from '../../../src/app/version.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { projectRoot as root } from '../../support/pages.ts';
import { bundled, metafileOf } from './shipment.ts';

interface Bill {
  metadata: { component: { version: string } };
  components: { 'bom-ref': string; group?: string; name: string }[];
  dependencies: { ref: string; dependsOn: string[] }[];
}

describe('the papers of a build', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let metafile: Awaited<ReturnType<typeof buildKeyproxy>>;
  let bill: Bill;
  const names = () => bill.components.map(({ group, name }) => (group === undefined ? name : `${group}/${name}`));

  beforeAll(async () => {
    folder = await temporaryFolder();
    metafile = await buildKeyproxy(folder.path);
    bill = JSON.parse(await readFile(join(folder.path, 'sbom.cdx.json'), 'utf8')) as Bill;
  });

  afterAll(() => folder[Symbol.asyncDispose]());

  it("are of this version, and have each provider's SDK and nothing of the tools", () => {
    expect(bill.metadata.component.version).toBe(version);
    const sdks = ['@aws-sdk/client-kms', '@azure/keyvault-keys', '@google-cloud/kms', '@grpc/grpc-js', 'pino', 'yaml'];
    expect(names()).toEqual(expect.arrayContaining(sdks));
    expect(names().filter((name) => ['esbuild', 'vitest', 'typescript', 'grpc-mock'].includes(name))).toEqual([]);
  });

  it('have every package that is copied beside the bundle', async () => {
    const copied = await readdir(join(folder.path, 'node_modules'), { recursive: true });
    const found = copied
      .filter((file) => /^(@[^/]+\/)?[^/]+\/package\.json$/.test(file))
      .map((file) => file.slice(0, -'/package.json'.length));
    expect(found.length).toBeGreaterThan(1);
    expect(names()).toEqual(expect.arrayContaining(found));
  });

  it('have no package that nobody needs: each is reached from keyproxy', () => {
    const next = new Map(bill.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
    const reached = new Set([`pkg:generic/keyproxy@${version}`]);
    for (const ref of reached) for (const to of next.get(ref) ?? []) reached.add(to);
    expect(bill.components.map((component) => component['bom-ref']).filter((ref) => !reached.has(ref))).toEqual([]);
    expect(reached.size).toBe(bill.components.length + 1);
  });

  it('have a licence text for each package', async () => {
    const text = await readFile(join(folder.path, 'THIRD-PARTY-LICENSES.txt'), 'utf8');
    expect(names().filter((name) => !text.includes(`\n${name} `))).toEqual([]);
    expect(names().length).toBeGreaterThan(100);
  });

  it('are the same when they are written again', async () => {
    await using other = await temporaryFolder();
    const beside = [
      'node_modules/koffi',
      ...(await readdir(join(root, 'node_modules/@koromix'))).map((name) => `node_modules/@koromix/${name}`),
    ];
    await writePapers({ root, folder: other.path, metafile, beside, sourceDate: '' });
    for (const file of ['sbom.cdx.json', 'THIRD-PARTY-LICENSES.txt']) {
      expect(await readFile(join(other.path, file))).toEqual(await readFile(join(folder.path, file)));
    }
  });

  it('are refused with a time that is none', async () => {
    const order = { root, folder: folder.path, metafile: metafileOf({}), beside: [] };
    await expect(writePapers({ ...order, sourceDate: 'yesterday' })).rejects.toThrow('SOURCE_DATE_EPOCH is no whole');
  });

  it('are refused for a bundle of packages that the lockfile does not have', async () => {
    const order = { root, folder: folder.path, metafile: bundled, beside: [], sourceDate: undefined };
    await expect(writePapers(order)).rejects.toThrow('what ships is not among');
  });
});
