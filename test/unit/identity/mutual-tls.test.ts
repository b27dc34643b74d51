/** Who comes through mutual TLS, over loopback. Reads a private field of Node's sockets: this is the guard for the Node in use. */
import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import type { Caller } from '../../../src/base/caller.ts';
import { makeRoot, type Svid, type SvidOptions, workload } from '../../support/svids.ts';
import { closed, contentsBy, echoOf, tlsScene } from './tls-scene.ts';

const root = makeRoot();
const stranger = makeRoot();
const caller: Caller = { kind: 'spiffe', id: workload };
const hourMs = 3_600_000;

test('a caller with an SVID of the trust domain comes through with its name', async () => {
  await using scene = await tlsScene(contentsBy(root));
  const client = scene.client(root.issue());
  expect(await echoOf(client, 'hello')).toBe('hello');
  expect([client.getProtocol(), client.alpnProtocol]).toEqual(['TLSv1.3', 'h2']);
  expect(scene.callers).toEqual([caller]);
  expect(scene.refusals).toEqual([]);
});

test('the authorities between an SVID and the root are taken from the caller', async () => {
  await using scene = await tlsScene(contentsBy(root));
  expect(await echoOf(scene.client(root.intermediate().intermediate().issue()), 'hello')).toBe('hello');
  expect(scene.callers).toEqual([caller]);
});

test('every root of the bundle vouches', async () => {
  await using scene = await tlsScene({ ...contentsBy(root), ca: `# roots\n${stranger.pem}\n${root.pem}` });
  for (const one of [root, stranger]) expect(await echoOf(scene.client(one.issue()), 'hello')).toBe('hello');
  expect(scene.callers).toEqual([caller, caller]);
});

describe('refused is', () => {
  const issue = (options: SvidOptions) => root.issue(options);
  const before = new Date(Date.now() - hourMs);
  const after = new Date(Date.now() + hourMs);
  const cases: readonly (readonly [string, Svid | undefined, string, ConnectionOptions])[] = [
    ['who shows no certificate', undefined, 'PEER_DID_NOT_RETURN_A_CERTIFICATE', {}],
    ['an SVID by another root', stranger.issue(), 'the chain is refused: ', {}],
    ['an SVID that has ended', issue({ notBefore: new Date(0), notAfter: before }), 'CERT_HAS_EXPIRED', {}],
    ['an SVID that is not valid yet', issue({ notBefore: after, notAfter: after }), 'CERT_NOT_YET_VALID', {}],
    ['a certificate for servers alone', issue({ extendedKeyUsage: [1] }), 'INVALID_PURPOSE', {}],
    ['two URIs', issue({ uris: [workload, `${workload}2`] }), 'more than one URI', {}],
    ['another trust domain', issue({ uris: ['spiffe://evil.org/web'] }), 'another trust domain', {}],
    ['the certificate of an authority', issue({ isAuthority: true, keyUsage: [0, 5] }), 'that of an authority', {}],
    ['a key that may sign certificates', issue({ keyUsage: [0, 5] }), 'may sign certificates', {}],
    ['a client of TLS 1.2', issue({}), 'UNSUPPORTED_PROTOCOL', { maxVersion: 'TLSv1.2' }],
    ['who asks for no protocol', issue({}), 'ALPN', { ALPNProtocols: [] }],
    ['who asks for HTTP/1.1', issue({}), 'NO_APPLICATION_PROTOCOL', { ALPNProtocols: ['http/1.1'] }],
  ];
  test.each(cases)('%s', async (_what, svid, why, tls) => {
    await using scene = await tlsScene(contentsBy(root));
    const client = scene.client(svid, tls);
    await closed(client);
    await vi.waitFor(() => expect(scene.refusals).toEqual([expect.stringContaining(why)]));
    await vi.waitFor(() => expect(scene.accepted.map(({ destroyed }) => destroyed)).toEqual([true]));
    expect(scene.callers).toEqual([]);
    expect(scene.clock.timers).toBe(1);
  });

  test('who does not speak TLS', async () => {
    await using scene = await tlsScene(contentsBy(root));
    const client = connect(scene.port, '127.0.0.1');
    client.on('error', () => {});
    client.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    await closed(client.resume());
    await vi.waitFor(() => expect(scene.refusals).toEqual([expect.stringMatching(/^the handshake failed: ERR_SSL_/)]));
    expect(scene.refusals.join()).not.toContain('PRI');
  });

  test.each([
    ['with a reset', (client: Socket) => client.resetAndDestroy()],
    ['with a farewell', (client: Socket) => client.end()],
  ])('who leaves in the middle of the handshake %s', async (_how, leave) => {
    await using scene = await tlsScene(contentsBy(root));
    const client = connect(scene.port, '127.0.0.1');
    await once(client, 'connect');
    client.write(Buffer.of(0x16, 0x03, 0x01));
    await vi.waitFor(() => expect(scene.accepted).toHaveLength(1));
    leave(client);
    await vi.waitFor(() => expect(scene.refusals).toEqual(['the handshake failed: ECONNRESET']));
    expect(scene.accepted[0]?.destroyed).toBe(true);
  });

  test('a socket that has ended already', async () => {
    await using scene = await tlsScene(contentsBy(root));
    const ended = new Socket();
    ended.destroy();
    scene.mtls.take(ended, () => scene.callers.push(caller));
    scene.clock.advance(10_000);
    await vi.waitFor(() => expect(scene.refusals).toHaveLength(1));
    expect(scene.callers).toEqual([]);
  });

  test('who takes more than ten seconds for the handshake', async () => {
    await using scene = await tlsScene(contentsBy(root));
    const client = connect(scene.port, '127.0.0.1');
    await vi.waitFor(() => expect(scene.accepted).toHaveLength(1));
    scene.clock.advance(9_999);
    expect(scene.refusals).toEqual([]);
    scene.clock.advance(1);
    expect(scene.refusals).toEqual(['the handshake took over 10 s']);
    await closed(client.resume());
    expect(scene.callers).toEqual([]);
  });
});

test('a session is never resumed, so every connection shows its certificate', async () => {
  await using scene = await tlsScene(contentsBy(root));
  const svid = root.issue();
  const first = scene.client(svid);
  const sessions: Buffer[] = [];
  first.on('session', (session) => sessions.push(session));
  await echoOf(first, 'hello');
  const session = sessions[0] ?? first.getSession();
  const second = scene.client(undefined, { session });
  await closed(second);
  expect(scene.callers).toHaveLength(1);
  const third = scene.client(svid, { session });
  await echoOf(third, 'hello');
  expect(third.isSessionReused()).toBe(false);
});

test('an open connection stays open long after the time for a handshake', async () => {
  await using scene = await tlsScene(contentsBy(root));
  const client = scene.client(root.issue());
  await echoOf(client, 'hello');
  scene.clock.advance(60_000);
  expect(await echoOf(client, 'again')).toBe('again');
});

test('a connection ends with the socket beneath it, and that one with the connection', async () => {
  const secured: TLSSocket[] = [];
  await using scene = await tlsScene(contentsBy(root), { onSecure: (socket) => secured.push(socket.resume()) });
  for (const end of [0, 1]) {
    const client = scene.client(root.issue());
    await vi.waitFor(() => expect(secured).toHaveLength(end + 1));
    const both = [scene.accepted[end], secured[end]].filter((socket) => socket !== undefined);
    const ends = both.map(closed);
    both[end]?.destroy();
    await Promise.all([...ends, closed(client)]);
    expect(both.map(({ destroyed }) => destroyed)).toEqual([true, true]);
  }
});

test('disposing ends handshakes that are under way, takes nothing more, and leaves no timer', async () => {
  const secured: TLSSocket[] = [];
  await using scene = await tlsScene(contentsBy(root), {
    onSecure: (socket) => {
      secured.push(socket);
      socket.pipe(socket);
    },
  });
  const open = scene.client(root.issue());
  await echoOf(open, 'hello');
  const waiting = connect(scene.port, '127.0.0.1');
  await vi.waitFor(() => expect(scene.accepted).toHaveLength(2));
  scene.mtls[Symbol.dispose]();
  await closed(waiting.resume());
  await closed(scene.client(root.issue()));
  expect(scene.callers).toHaveLength(1);
  expect(scene.refusals).toEqual([]);
  expect(await echoOf(open, 'again')).toBe('again');
  expect(scene.clock.timers).toBe(0);
});

test('a connection ends with the certificate that it was opened by', async () => {
  await using scene = await tlsScene(contentsBy(root), { onSecure: (socket) => socket.pipe(socket) });
  const { clock } = scene;
  const client = scene.client(root.issue({ notAfter: new Date(Date.now() + 600_000) }));
  expect(await echoOf(client, 'hello')).toBe('hello');
  clock.advance(590_000);
  expect(await echoOf(client, 'still')).toBe('still');
  clock.advance(11_000);
  await closed(client);
});
