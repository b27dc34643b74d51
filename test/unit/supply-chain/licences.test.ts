/** What may ship, by its licence, and the texts that go along. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { thirdPartyLicences } from '../../../build/licence-texts.ts';
import { allowedLicences, licenceProblems } from '../../../build/licences.ts';
import type { LockedPackage } from '../../../build/lockfile.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { lockOf } from './shipment.ts';

function packageWith(name: string, license: unknown): LockedPackage {
  const path = `node_modules/${name}`;
  const found = lockOf({ [path]: { version: '1.2.3', license } }).packages.get(path);
  if (found === undefined) throw new Error('the lockfile has lost its package');
  return found;
}

describe('a licence', () => {
  it.each(Object.keys(allowedLicences))('may be %s', (id) => {
    expect(licenceProblems([packageWith('one', id)])).toEqual([]);
  });

  it.each([
    'GPL-3.0-only',
    'AGPL-3.0-or-later',
    'MPL-2.0',
    'SEE LICENSE IN LICENSE',
    'MIT OR GPL-2.0',
    'mit',
    'toString',
  ])('may not be %s', (id) => {
    expect(licenceProblems([packageWith('one', id)])).toEqual([
      `one 1.2.3 is under ${id}, which build/licences.ts does not allow`,
    ]);
  });

  it.each([undefined, { type: 'MIT' }, 7])('has to be declared, which %j is not', (license) => {
    expect(licenceProblems([packageWith('one', license)])).toEqual([expect.stringMatching(/^one 1.2.3 declares no/)]);
  });

  it('may be another one after a review, of this package and as it was declared then', () => {
    const exceptions = { one: { declared: 'MIT OR GPL-2.0', reason: 'MIT is chosen' } };
    expect(licenceProblems([packageWith('one', 'MIT OR GPL-2.0')], exceptions)).toEqual([]);
    expect(licenceProblems([packageWith('one', 'GPL-2.0')], exceptions)).toHaveLength(1);
    expect(licenceProblems([packageWith('two', 'MIT OR GPL-2.0')], exceptions)).toHaveLength(1);
  });
});

describe('the licences of others', () => {
  async function projectWith(files: Readonly<Record<string, string>>) {
    const folder = await temporaryFolder();
    for (const [file, text] of Object.entries({ LICENSE: 'the Apache text', ...files })) {
      await mkdir(join(folder.path, file, '..'), { recursive: true });
      await writeFile(join(folder.path, file), text);
    }
    return folder;
  }

  it('hold each text once, under all that it goes for, with notices', async () => {
    await using project = await projectWith({
      'node_modules/one/LICENSE': 'text of MIT\r\n',
      'node_modules/two/licence.md': 'text of MIT\n',
      'node_modules/three/COPYING': 'text of ISC',
      'node_modules/three/NOTICE.txt': 'three was made by somebody',
      'node_modules/three/index.js': 'no text',
    });
    const packages = [packageWith('one', 'MIT'), packageWith('two', 'MIT'), packageWith('three', 'ISC')];
    const text = await thirdPartyLicences(packages, project.path);
    expect(text.split('text of MIT')).toHaveLength(2);
    expect(text).toMatch(/\none 1\.2\.3 \(MIT\)\ntwo 1\.2\.3 \(MIT\)\n=+\n\ntext of MIT\n/);
    expect(text).toMatch(/\nthree 1\.2\.3 \(ISC\)\n=+\n\ntext of ISC\n/);
    expect(text).toContain('three was made by somebody');
    expect(text).not.toContain('no text');
  });

  it("take keyproxy's own copy of the Apache licence where a package under it brings none", async () => {
    await using project = await projectWith({ 'node_modules/one/NOTICE': 'one is made of two' });
    const text = await thirdPartyLicences([packageWith('one', 'Apache-2.0')], project.path);
    expect(text).toContain('the Apache text');
    expect(text).toContain('one is made of two');
  });

  it('look where the text of some packages is known to be', async () => {
    await using project = await projectWith({
      'node_modules/data-uri-to-buffer/README.md': 'Use it. Licence: MIT text',
    });
    const text = await thirdPartyLicences([packageWith('data-uri-to-buffer', 'MIT')], project.path);
    expect(text).toContain('Licence: MIT text');
  });

  it('are not written where a text is missing, though there is a notice', async () => {
    await using project = await projectWith({
      'node_modules/one/NOTICE': 'not a licence',
      'node_modules/two/README.md': 'no licence here',
    });
    const packages = [packageWith('one', 'MIT'), packageWith('two', 'ISC')];
    await expect(thirdPartyLicences(packages, project.path)).rejects.toThrow('no licence text comes with one, two;');
  });
});
