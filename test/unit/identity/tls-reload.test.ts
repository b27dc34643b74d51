/** New certificates while connections are open and come in, however they get into their place. */

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { lookMs, secondLookMs } from '../../../src/identity/tls-watch.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { makeKeys, makeRoot, type Svid } from '../../support/svids.ts';
import { closed, contentsBy, echoOf, pathsIn, sceneIn, type TlsScene, tlsScene, write } from './tls-scene.ts';

const root = makeRoot();
const server = (notAfter = new Date(Date.now() + 7_200_000)) => root.issue({ dns: ['localhost'], notAfter });

/** The serial number of the certificate that a new connection is shown. */
async function shown(scene: TlsScene, svid: Svid = root.issue()): Promise<string | undefined> {
  const client = scene.client(svid);
  await once(client, 'secureConnect');
  const serial = client.getPeerX509Certificate()?.serialNumber;
  client.destroy();
  return serial;
}

function serialOf(svid: Svid): string {
  return new X509Certificate(svid.der).serialNumber;
}

/** Lets a look happen, which reads files in real time, and waits until the next one is due. */
async function look(scene: TlsScene, milliseconds = lookMs): Promise<void> {
  const { timers } = scene.clock;
  scene.clock.advance(milliseconds);
  await vi.waitFor(() => expect(scene.clock.timers).toBe(timers));
}

test('a new pair serves the connections that come after it, and those that are open go on', async () => {
  await using scene = await tlsScene(contentsBy(root));
  const open = scene.client(root.issue());
  await echoOf(open, 'hello');
  const next = server();
  await write(scene.folder, { cert: next.cert, key: next.key });
  await look(scene);
  expect(scene.reloads).toEqual([{ outcome: 'loaded', cause: undefined }]);
  expect(await shown(scene)).toBe(serialOf(next));
  expect(await echoOf(open, 'again')).toBe('again');
  await look(scene);
  expect(scene.reloads).toHaveLength(1);
});

test('a renewal that keeps its key is seen', async () => {
  const keys = makeKeys();
  await using scene = await tlsScene(contentsBy(root, root.issue({ keys })));
  const next = root.issue({ keys });
  await write(scene.folder, { cert: next.cert });
  await look(scene);
  expect(await shown(scene)).toBe(serialOf(next));
});

test('a file that is written over with the same size and time of change is seen', async () => {
  const first = server();
  await using scene = await tlsScene(contentsBy(root, first));
  const { cert, key } = pathsIn(scene.folder);
  const age = async () => {
    for (const path of [cert, key]) await utimes(path, new Date(0), new Date(0));
  };
  await age();
  await look(scene);
  let next = server();
  while (next.cert.length !== first.cert.length || next.key.length !== first.key.length) next = server();
  await writeFile(key, next.key);
  await writeFile(cert, next.cert);
  await age();
  await look(scene);
  expect(await shown(scene)).toBe(serialOf(next));
});

test('another folder behind the link of a Kubernetes volume is seen', async () => {
  await using folder = await temporaryFolder();
  const put = async (name: string, svid: Svid) => {
    await mkdir(join(folder.path, name));
    await write(join(folder.path, name), contentsBy(root, svid));
    await symlink(name, join(folder.path, '..data_tmp'));
    await rename(join(folder.path, '..data_tmp'), join(folder.path, '..data'));
  };
  const paths = pathsIn(folder.path);
  for (const path of Object.values(paths)) await symlink(join('..data', path.slice(folder.path.length + 1)), path);
  await put('..2026_01', server());
  await using scene = await sceneIn(folder.path, paths);
  const next = server();
  await put('..2026_02', next);
  await rm(join(folder.path, '..2026_01'), { recursive: true });
  await look(scene);
  expect(scene.reloads).toEqual([{ outcome: 'loaded', cause: undefined }]);
  expect(await shown(scene)).toBe(serialOf(next));
});

test("a pair that is half written is nobody's fault, and in use a second later", async () => {
  await using scene = await tlsScene(contentsBy(root));
  const next = server();
  await write(scene.folder, { key: next.key });
  await look(scene);
  await write(scene.folder, { cert: next.cert });
  await look(scene, secondLookMs);
  expect(scene.reloads.map(({ outcome }) => outcome)).toEqual(['loaded']);
  expect(await shown(scene)).toBe(serialOf(next));
});

test('a pair that does not fit leaves the old one in use and is told once, until it fits', async () => {
  const first = server();
  await using scene = await tlsScene(contentsBy(root, first));
  const next = server();
  await write(scene.folder, { key: next.key });
  await look(scene);
  expect(scene.reloads).toEqual([]);
  await look(scene, secondLookMs);
  for (let count = 0; count < 3; count += 1) await look(scene);
  expect(scene.reloads).toEqual([{ outcome: 'failed', cause: expect.any(Error) }]);
  expect(String(scene.reloads[0]?.cause)).toContain('tls.key is not that of the first certificate');
  expect(await shown(scene)).toBe(serialOf(first));
  await write(scene.folder, { cert: next.cert });
  await look(scene);
  expect(scene.reloads.map(({ outcome }) => outcome)).toEqual(['failed', 'loaded']);
  expect(await shown(scene)).toBe(serialOf(next));
});

test('files that go away leave what was loaded in use', async () => {
  const first = server();
  await using scene = await tlsScene(contentsBy(root, first));
  await rm(pathsIn(scene.folder).ca);
  await look(scene);
  await look(scene, secondLookMs);
  expect(String(scene.reloads[0]?.cause)).toContain('ca.crt cannot be read (ENOENT)');
  expect(await shown(scene)).toBe(serialOf(first));
});

test('a certificate that is not valid yet is in use as soon as it is', async () => {
  const first = server();
  await using scene = await tlsScene(contentsBy(root, first));
  const next = root.issue({ notBefore: new Date(Date.now() + 60_000) });
  await write(scene.folder, { cert: next.cert, key: next.key });
  await look(scene);
  await look(scene, secondLookMs);
  expect(scene.reloads.map(({ outcome }) => outcome)).toEqual(['failed']);
  scene.clock.wallJump(120_000);
  await look(scene);
  expect(scene.reloads.map(({ outcome }) => outcome)).toEqual(['failed', 'loaded']);
});

test('a caller whose root is gone is refused from then on, one of a new root comes through', async () => {
  const fresh = makeRoot();
  await using scene = await tlsScene(contentsBy(root));
  const old = scene.client(root.issue());
  await echoOf(old, 'hello');
  await write(scene.folder, { ca: fresh.pem });
  await look(scene);
  const refused = scene.client(root.issue(), { session: old.getSession() });
  await closed(refused);
  await vi.waitFor(() => expect(scene.refusals).toEqual([expect.stringContaining('the chain is refused: ')]));
  expect(await echoOf(scene.client(fresh.issue()), 'hello')).toBe('hello');
  expect(scene.callers).toHaveLength(2);
  expect(await echoOf(old, 'again')).toBe('again');
});

test('after disposal no look happens, not even the end of one that is under way', async () => {
  await using scene = await tlsScene(contentsBy(root));
  const next = server();
  await write(scene.folder, { cert: next.cert, key: next.key });
  scene.clock.advance(lookMs);
  scene.mtls[Symbol.dispose]();
  await new Promise((done) => setTimeout(done, 50));
  expect(scene.reloads).toEqual([]);
  expect(scene.clock.timers).toBe(0);
});
