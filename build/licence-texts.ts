/** The licence texts of what ships, as one file that goes along with it. */
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { LockedPackage } from './lockfile.ts';

const licenceFile = /^(licen[cs]e|copying)/i;
const noticeFile = /^(notice|third.?party)/i;

interface Further {
  readonly packages: RegExp;
  /** From the package's folder. */
  readonly files: readonly string[];
}

/** Texts that are not where they are usually: why, and the files. */
const furtherTexts: Readonly<Record<string, Further>> = {
  'the README ends with its licence': { packages: /^data-uri-to-buffer$/, files: ['README.md'] },
  'the native half of koffi, by the same author': {
    packages: /^@koromix\/koffi-/,
    files: [
      '../../koffi/LICENSE.txt',
      '../../koffi/vendor/node-addon-api/LICENSE.md',
      '../../koffi/vendor/node-api-headers/LICENSE',
    ],
  },
};

const introduction = `Software of others that is part of this build of keyproxy, and the terms it is under.

The interface definitions in proto/descriptors.binpb restate those of googleapis and of gRPC (Apache-2.0) and of
Protocol Buffers (BSD-3-Clause).
`;
const rule = '='.repeat(80);

/**
 * Text of `THIRD-PARTY-LICENSES.txt`: each text once, under the packages it goes for. Rejects, with all of them named,
 * where packages come without a text. Those under Apache-2.0 may: their text is everybody's, and keyproxy's own.
 */
export async function thirdPartyLicences(packages: readonly LockedPackage[], root: string): Promise<string> {
  const holders = new Map<string, string[]>();
  const without: string[] = [];
  for (const one of packages) {
    const texts = await textsOf(one, root);
    if (texts.length === 0) without.push(one.name);
    for (const text of texts) holders.set(text, [...(holders.get(text) ?? []), titleOf(one)]);
  }
  if (without.length > 0) {
    throw new Error(`no licence text comes with ${without.join(', ')}; say in build/licence-texts.ts where it is`);
  }
  const parts = [...holders].map(
    ([text, titles]) => `${rule}\n${[...new Set(titles)].join('\n')}\n${rule}\n\n${text}\n`,
  );
  return [introduction, ...parts].join('\n');
}

async function textsOf({ name, path, licence }: LockedPackage, root: string): Promise<string[]> {
  const folder = join(root, path);
  const names = (await readdir(folder)).sort();
  const own = names.filter((file) => licenceFile.test(file));
  const further = Object.values(furtherTexts).flatMap(({ packages, files }) => (packages.test(name) ? files : []));
  const standard = own.length + further.length === 0 && licence === 'Apache-2.0' ? [join(root, 'LICENSE')] : [];
  const notices = names.filter((file) => noticeFile.test(file));
  const files = [...own, ...further, ...notices].map((file) => resolve(folder, file));
  if (own.length + further.length + standard.length === 0) return [];
  const texts = await Promise.all([...standard, ...files].map((file) => readFile(file, 'utf8')));
  return texts.map((text) => text.replaceAll('\r\n', '\n').trim());
}

function titleOf({ name, version, licence }: LockedPackage): string {
  return `${name} ${version} (${licence ?? 'no licence declared'})`;
}
