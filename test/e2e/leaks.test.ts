/**
 * Nothing secret is told: markers in every input, every reason of the error table, the finest log. Then no marker is in
 * the log, an error, a metric, a trace, the audit, a file of the state or what a crash leaves, and the same search finds
 * one that was put there.
 */
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { errorTable } from '../../src/base/errors.ts';
import { connect } from '../support/client.ts';
import { toldBy } from '../support/client-errors.ts';
import { startDaemon } from '../support/daemon.ts';
import { daemonFolder, localTenant } from '../support/daemon-folder.ts';
import { crashes } from '../support/leak-crash.ts';
import { auditToOutput, auditWithoutRoom, breakAndCrash, useTenant } from '../support/leak-daemons.ts';
import { tellBadFiles, turnFilesBad } from '../support/leak-files.ts';
import {
  bytesMarker,
  type Leak,
  leaksIn,
  type Marker,
  needlesOf,
  shapesIn,
  textMarker,
} from '../support/leak-forms.ts';
import { type Provocation, provocations } from '../support/leak-provocations.ts';
import { type LeakScene, leakScene, sent } from '../support/leak-scene.ts';
import { Sinks } from '../support/leak-sinks.ts';
import { openUnproven } from '../support/leak-unproven.ts';
import { connectWire, healthCall, inputs, reasonOf, transports, type Wire } from '../support/leak-wire.ts';
import { startCollector } from '../support/otlp-collector.ts';

const served = ['well', 'local', 'azure_kv', 'gcp_kms', 'vault'];

/**
 * What may be told after all. The file of a warm start has wrapped keys and their contexts, which open nothing without the
 * key service. The package `@grpc/grpc-js` repeats to a caller what the caller sent, where it answers by itself.
 */
function isAllowed({ place, marker, before }: Leak): boolean {
  if (place === 'daemon: state files')
    return marker === sent.contextValue.name || marker.startsWith('a wrapped data key');
  const isOwnText = /Invalid(?:%20| )grpc-timeout|not(?:%20| )implement(?:%20| )the(?:%20| )method/.test(before);
  const isOwnInput = [sent.timeout, sent.method, sent.service].some(({ name }) => name === marker);
  return place === 'errors over grpc-js' && isOwnText && isOwnInput;
}

/** Makes every call of the table; resolves with the reasons that were told to this transport. */
async function provokeAll(wire: Wire, scene: LeakScene): Promise<Set<string>> {
  const told = new Set<string>();
  for (const provocation of Object.values<Provocation>(provocations)) {
    if (provocation.kind === 'call') for (const reason of await provocation.run(wire, scene)) told.add(reason);
  }
  return told;
}

/** Over TLS, with a certificate and without the mark that calls over TCP must carry. */
async function callUnmarked({ daemon, client, root }: LeakScene, sinks: Sinks): Promise<string> {
  const metadata = { authorization: `Bearer ${sent.authorization.text}`, 'x-own': sent.header.text };
  using caller = connect(daemon.tcp, metadata, { ...client, ca: root.pem });
  const error = await caller.error('Encrypt', { tenant_id: 'local', ...inputs });
  sinks.add('errors over TLS', `${error.details} ${JSON.stringify(error.metadata.toJSON())}`);
  const told = toldBy(error);
  sinks.add('errors over TLS', Buffer.from(told.details, 'hex'));
  return told.reason;
}

async function askForPages({ daemon }: LeakScene, sinks: Sinks): Promise<void> {
  const { text } = sent.http;
  const headers = { authorization: `Bearer ${text}`, cookie: text, 'x-own': text };
  const requests = [`/metrics?${text}`, `/${text}`, `/readyz/${text}?a=${text}`].flatMap((path) =>
    ['GET', 'DELETE'].map((method) => fetch(`${daemon.http}${path}`, { method, headers })),
  );
  for (const answer of await Promise.all(requests)) {
    sinks.add('HTTP', `${JSON.stringify([...answer.headers])} ${await answer.text()}`);
  }
}

/** Watches of health, which end with the daemon. */
async function shutDown(wires: readonly Wire[], { daemon }: LeakScene): Promise<string[]> {
  const watches = wires.map((wire) => wire.send(healthCall('Watch', sent.service.text)));
  await Promise.all(wires.map((wire) => wire.send(healthCall('Check', ''))));
  const stopped = daemon.stop();
  const reasons = (await Promise.all(watches)).map(reasonOf);
  await stopped;
  return reasons;
}

const wireOf = (transport: (typeof transports)[number], { folder }: LeakScene, sinks: Sinks): Wire =>
  connectWire(
    transport,
    { socket: join(folder.path, transport === 'native' ? 'keyproxy.sock' : 'grpc-js.sock') },
    sinks,
  );

/** Reasons whose provocation is of this kind. */
function reasonsOf(kind: Provocation['kind'], on: readonly string[] = ['both', 'native']): string[] {
  const all = Object.entries<Provocation>(provocations);
  return all
    .filter(([, each]) => each.kind === kind && (!('on' in each) || on.includes(each.on)))
    .map(([reason]) => reason);
}

function expectNoLeaks(sinks: Sinks, markers: readonly Marker[]): void {
  for (const [place, size] of Object.entries(sinks.sizes())) expect(size, place).toBeGreaterThan(0);
  expect(sinks.leaks(needlesOf(markers), isAllowed)).toEqual([]);
}

test('every reason is provoked', () => {
  expect(Object.keys(provocations).sort()).toEqual(Object.keys(errorTable).sort());
});

test('no marker is told, whatever reason a call fails for and whatever is in a file', async () => {
  await using scene = await leakScene();
  const sinks = new Sinks();
  const markers: Marker[] = [...scene.markers];
  using stack = new DisposableStack();
  const wires = transports.map((transport) => stack.use(wireOf(transport, scene, sinks)));
  for (const wire of wires) {
    for (const tenant of served) markers.push(...(await useTenant(wire, tenant)));
  }
  const [native, grpcJs] = await Promise.all(wires.map((wire) => provokeAll(wire, scene)));
  for (const reason of reasonsOf('call')) expect(native).toContain(reason);
  for (const reason of reasonsOf('call', ['both'])) expect(grpcJs).toContain(reason);
  const others = [await callUnmarked(scene, sinks)];
  await Promise.all([tellBadFiles(scene, sinks), askForPages(scene, sinks), turnFilesBad(scene)]);
  await sinks.addDaemon('daemon', scene.daemon);
  others.push(...(await shutDown(wires, scene)));
  await sinks.addEnd('daemon', scene.daemon, { audit: 'audit.jsonl', state: 'state' });
  sinks.addTraces('daemon', scene.collector);
  expect(others.sort()).toEqual([...reasonsOf('scene'), 'SHUTTING_DOWN'].sort());
  expectNoLeaks(sinks, markers);
});

test('no marker is told by a daemon that cannot work', async () => {
  const sinks = new Sinks();
  const markers: Marker[] = Object.values(sent);
  markers.push(...(await auditToOutput(sinks)));
  expect(await auditWithoutRoom(sinks)).toBe('AUDIT_UNAVAILABLE');
  expect(await openUnproven(sinks)).toBe('KEY_UNPROVEN');
  expectNoLeaks(sinks, markers);
});

test.each(crashes)('no marker is told by a daemon that dies of this: %s', async (crash) => {
  const sinks = new Sinks();
  const markers: Marker[] = Object.values(sent);
  const { reason, code, markers: others } = await breakAndCrash(crash, sinks);
  expect([reason, code]).toEqual(['INTERNAL', 70]);
  expectNoLeaks(sinks, [...markers, ...others]);
});

/**
 * A marker where it may be told: the name of a tenant, of a file and of an environment. So it comes by every way by which
 * a secret would.
 */
test('a marker that is planted is found in every place', async () => {
  const planted = textMarker('planted');
  const name = planted.text;
  await using collector = await startCollector();
  await using folder = await daemonFolder({
    extra: `allow_local: true
audit: { path: audit.jsonl }
state: { directory: state }
segregation: { test: { key_prefix: key-of- } }
tracing: { endpoint: "${collector.endpoint}", sample_ratio: 1 }`,
    tenants: {
      'planted.yaml': localTenant(name, { more: '  cache_config: { warm_start: true }' }),
      'fenced.yaml': `${localTenant('fenced')}\nenvironment: ${name}\n`,
    },
  });
  await rename(join(folder.path, 'keyproxy.yaml'), join(folder.path, `${name}.yaml`));
  await using daemon = await startDaemon({ ...folder.start, args: ['--config', `${name}.yaml`] });
  const sinks = new Sinks();
  using wire = connectWire('native', { socket: join(folder.path, 'keyproxy.sock') }, sinks);
  await useTenant(wire, name);
  await wire.call('Encrypt', { tenant_id: 'fenced' });
  await sinks.addDaemon('daemon', daemon);
  await daemon.stop();
  await sinks.addEnd('daemon', daemon, { audit: 'audit.jsonl', state: 'state' });
  sinks.addTraces('daemon', collector);
  const places = Object.keys(sinks.sizes()).filter((place) => !/comm$|status$/.test(place));
  const found = new Set(sinks.leaks(needlesOf([planted])).map(({ place }) => place));
  expect([...found].sort()).toEqual(places.sort());
});

test.each<[form: string, write: (bytes: Buffer) => string | Buffer]>([
  ['raw', (bytes) => Buffer.concat([Buffer.from('x'), bytes])],
  ['hex', (bytes) => bytes.toString('hex')],
  ['upper-case hex', (bytes) => bytes.toString('hex').toUpperCase()],
  ['base64', (bytes) => Buffer.concat([Buffer.from('xy'), bytes, Buffer.from('z')]).toString('base64')],
  ['base64', (bytes) => Buffer.concat([Buffer.from('x'), bytes]).toString('base64')],
  ['base64url', (bytes) => bytes.toString('base64url')],
  ['URL-escaped', (bytes) => encodeURIComponent(bytes.toString('latin1'))],
  ['URL-escaped', (bytes) => bytes.toString('hex').toUpperCase().replace(/../g, '%$&')],
  ['JSON-escaped', (bytes) => JSON.stringify({ plaintext: bytes.toString('latin1') })],
  ['as Latin-1 in UTF-8', (bytes) => bytes.toString('latin1')],
  ['list of numbers', (bytes) => JSON.stringify(bytes)],
  ['as Node shows buffers', (bytes) => inspect({ bytes })],
])('the search finds bytes in this form, and a half of them: %s', (form, write) => {
  const secret = bytesMarker('secret');
  const needles = needlesOf([secret, bytesMarker('another')]);
  for (const bytes of [secret.bytes, secret.bytes.subarray(0, 20)]) {
    const found = leaksIn('here', write(bytes), needles);
    expect(found.map(({ marker }) => marker)).toContain('secret');
    expect(found.map((leak) => leak.form)).toContain(form);
    expect(found.map(({ marker }) => marker)).not.toContain('another');
  }
});

test.each([
  '-----BEGIN EC PRIVATE KEY-----',
  `eyJhbGciOiJFUzI1NiIsImtpZCI6.eyJhdWQiOlsia2V5cHJveHki.x`,
  'authorization: Bearer abcdefghijkl',
  'IQoJb3JpZ2luX2VjAAAA',
  'ya29.c.abcdefghijkl',
  `hvs.${'x'.repeat(24)}`,
])('the search finds what looks like a secret: %s', (text) => {
  expect(shapesIn('here', `before ${text} after`)).toHaveLength(1);
});
