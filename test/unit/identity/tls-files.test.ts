/** Which files mutual TLS starts with, and what it says about the others. */
import { createPrivateKey } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { openMutualTls } from '../../../src/identity/mutual-tls.ts';
import { readTlsFiles } from '../../../src/identity/tls-files.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { makeRoot, trustDomain } from '../../support/svids.ts';
import { type Contents, contentsBy, pathsIn, write } from './tls-scene.ts';

const root = makeRoot();
const good = contentsBy(root);
const hourMs = 3_600_000;

async function folderOf(contents: Contents): Promise<Contents & AsyncDisposable> {
  const folder = await temporaryFolder();
  await write(folder.path, contents);
  return { ...pathsIn(folder.path), [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

async function refusalOf(paths: Contents): Promise<string> {
  const opened = openMutualTls({ ...paths, trustDomain, clock: systemClock });
  const error: unknown = await opened.then(
    (mtls) => mtls[Symbol.dispose](),
    (thrown) => thrown,
  );
  if (!(error instanceof Error)) throw new Error('nothing was refused');
  return error.message;
}

function issued(notBefore: number, notAfter: number): Contents {
  const dates = { notBefore: new Date(Date.now() + notBefore), notAfter: new Date(Date.now() + notAfter) };
  return contentsBy(root, root.issue(dates));
}

function encrypted(key: string): string {
  const options = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' } as const;
  return String(createPrivateKey(key).export(options));
}

describe('a start is refused with', () => {
  const broken = good.cert.replace(/\n[A-Za-z0-9+/]{64}\n/, '\n');
  const cases: readonly (readonly [what: string, contents: Contents, why: string])[] = [
    ['a key of another certificate', { ...good, key: contentsBy(root).key }, 'tls.key is not that of the first'],
    ['no certificate', { ...good, cert: '' }, 'tls.crt holds no certificate'],
    ['a key in the place of a certificate', { ...good, cert: good.key }, 'tls.crt holds no certificate'],
    ['a broken certificate', { ...good, cert: broken }, 'tls.crt holds a certificate that cannot be read'],
    ['a certificate in the place of a key', { ...good, key: good.cert }, 'tls.key holds no private key'],
    ['a key with a passphrase', { ...good, key: encrypted(good.key) }, 'without a passphrase'],
    ['an empty bundle', { ...good, ca: '\n' }, 'ca.crt holds no certificate'],
    ['a leaf in the bundle', { ...good, ca: root.pem + root.issue().cert }, 'not that of an authority'],
    ['a bundle without a root', { ...good, ca: root.intermediate().pem }, 'ca.crt holds no root'],
    ['a certificate that has ended', issued(-2 * hourMs, -hourMs), 'has ended'],
    ['a certificate that is not valid yet', issued(hourMs, 2 * hourMs), 'not valid yet'],
    ['a file of two megabytes', { ...good, ca: root.pem.repeat(3000) }, 'ca.crt is larger than a megabyte'],
  ];
  test.each(cases)('%s', async (_what, contents, why) => {
    await using paths = await folderOf(contents);
    const message = await refusalOf(paths);
    expect(message).toContain(why);
    expect(message).not.toMatch(/[A-Za-z0-9+/]{60}|BEGIN [A-Z]+ KEY/);
  });

  test.each(['cert', 'key', 'ca'] as const)('no file at %s', async (name) => {
    await using paths = await folderOf(good);
    await rm(paths[name]);
    expect(await refusalOf(paths)).toBe(`${paths[name]} cannot be read (ENOENT); name a file that keyproxy may read`);
  });
});

test('a folder in the place of a file', async () => {
  await using paths = await folderOf(good);
  await rm(paths.key);
  await mkdir(paths.key);
  expect(await refusalOf(paths)).toContain('tls.key cannot be read (EISDIR)');
});

test('what is read is what was checked, and the key is wiped with its material', async () => {
  await using paths = await folderOf({ ...good, ca: `about roots\n${root.pem}-----BEGIN TRUSTED CERTIFICATE-----\n` });
  const material = await readTlsFiles(paths, Date.now());
  expect(material.ca.trim()).toBe(root.pem.trim());
  expect(material.key.toString('latin1')).toBe(good.key);
  material[Symbol.dispose]();
  expect(material.key.every((byte) => byte === 0)).toBe(true);
});
