/** Mutual TLS in front of `@grpc/grpc-js`: its own clients, and certificates that change while they call. */
import { once } from 'node:events';
import {
  Client,
  credentials,
  type handleUnaryCall,
  type requestCallback,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import { expect, test, vi } from 'vitest';
import { type Admission, SvidCallers } from '../../../src/identity/svid-callers.ts';
import { lookMs } from '../../../src/identity/tls-watch.ts';
import { type Authority, makeRoot, type Svid, trustDomain, workload } from '../../support/svids.ts';
import { contentsBy, type TlsScene, tlsScene, write } from './tls-scene.ts';

const path = '/test.Echo/Echo';
const same = (bytes: Buffer) => bytes;

type AuthContext = ReturnType<ServerUnaryCall<Buffer, Buffer>['getAuthContext']>;

interface GrpcScene extends AsyncDisposable {
  readonly tls: TlsScene;
  /** What each call was known by, in order. */
  readonly contexts: AuthContext[];
  connect(svid: Svid, trusted: readonly Authority[]): Client;
}

async function grpcScene(root: Authority): Promise<GrpcScene> {
  const contexts: AuthContext[] = [];
  const echo: handleUnaryCall<Buffer, Buffer> = (call, answer) => {
    contexts.push(call.getAuthContext());
    answer(null, call.request);
  };
  const server = new Server();
  const codec = {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  server.addService({ echo: { path, requestStream: false, responseStream: false, ...codec } }, { echo });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const tls = await tlsScene(contentsBy(root), { onSecure: (socket) => injector.injectConnection(socket) });
  const clients: Client[] = [];
  return {
    ...{ tls, contexts },
    connect(svid, trusted) {
      const roots = Buffer.from(trusted.map(({ pem }) => pem).join(''));
      const shown = credentials.createSsl(roots, Buffer.from(svid.key), Buffer.from(svid.cert));
      const client = new Client(`127.0.0.1:${tls.port}`, shown, {
        'grpc.ssl_target_name_override': 'localhost',
        'grpc.use_local_subchannel_pool': 1,
      });
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.close();
      server.forceShutdown();
      await tls[Symbol.asyncDispose]();
    },
  };
}

function admitted(id: string): Admission {
  return { kind: 'admitted', caller: { kind: 'spiffe', id } };
}

function call(client: Client, text: string): Promise<string> {
  return new Promise((done, fail) => {
    const answered: requestCallback<Buffer> = (error, answer) => (error ? fail(error) : done(String(answer)));
    client.makeUnaryRequest(path, same, same, Buffer.from(text), { deadline: Date.now() + 10_000 }, answered);
  });
}

test('a call of grpc-js comes through, and its context has the certificate that names the caller', async () => {
  const root = makeRoot();
  await using scene = await grpcScene(root);
  const svid = root.issue();
  expect(await call(scene.connect(svid, [root]), 'hello')).toBe('hello');
  const [context] = scene.contexts;
  expect(context?.transportSecurityType).toBe('ssl');
  const der = context?.sslPeerCertificate?.raw ?? Buffer.alloc(0);
  expect(der.equals(svid.der)).toBe(true);
  expect(new SvidCallers(trustDomain).admissionOf(der)).toEqual(admitted(workload));
});

test('each call has the context of its own connection', async () => {
  const root = makeRoot();
  await using scene = await grpcScene(root);
  const ids = ['a', 'b', 'c'].map((name) => `spiffe://example.org/${name}`);
  const clients = ids.map((id) => scene.connect(root.issue({ uris: [id] }), [root]));
  for (let round = 0; round < 3; round += 1) for (const client of clients) await call(client, 'hello');
  const callers = new SvidCallers(trustDomain);
  const seen = scene.contexts.map(({ sslPeerCertificate }) =>
    callers.admissionOf(sslPeerCertificate?.raw ?? Buffer.alloc(0)),
  );
  expect(seen).toEqual([...ids, ...ids, ...ids].map(admitted));
});

test('an SVID that is refused makes the call unavailable', async () => {
  const root = makeRoot();
  await using scene = await grpcScene(root);
  const evil = root.issue({ uris: ['spiffe://evil.org/web'] });
  await expect(call(scene.connect(evil, [root]), 'hello')).rejects.toMatchObject({ code: 14 });
  await vi.waitFor(() => expect(scene.tls.refusals[0]).toContain('another trust domain'));
  expect(scene.contexts).toEqual([]);
});

/**
 * The root itself is exchanged under load, in the order that SPIRE and cert-manager do it: a bundle of both roots, then
 * certificates of the new one on both sides, then the new root alone.
 */
test('no call fails while certificates and roots change under load', async () => {
  const [first, second] = [makeRoot(), makeRoot()];
  await using scene = await grpcScene(first);
  const { tls } = scene;
  const reloaded = async (contents: Parameters<typeof write>[1]) => {
    const before = tls.reloads.length;
    await write(tls.folder, contents);
    tls.clock.advance(lookMs);
    await vi.waitFor(() => expect(tls.reloads).toHaveLength(before + 1), { timeout: 10_000 });
  };
  const both = [first, second];
  const state = { issuer: first, answered: 0, isOver: false };
  const failures: unknown[] = [];
  const calling = async (client: () => Client) => {
    while (!state.isOver) {
      await call(client(), 'hello').then(
        () => (state.answered += 1),
        (error: unknown) => failures.push(error),
      );
    }
  };
  const steady = [1, 2].map(() => scene.connect(first.issue(), both));
  const fleeting = () => scene.connect(state.issuer.issue(), both);
  const load = [...steady.map((client) => calling(() => client)), calling(fleeting), calling(fleeting)];
  const more = async (count: number) => {
    const enough = state.answered + count;
    await vi.waitFor(() => expect(state.answered).toBeGreaterThan(enough), { timeout: 10_000 });
  };
  await more(50);
  await reloaded({ ca: first.pem + second.pem });
  for (let turn = 0; turn < 5; turn += 1) {
    const { cert, key } = contentsBy(turn % 2 === 0 ? second : first);
    await reloaded({ cert, key });
    await more(30);
  }
  state.issuer = second;
  // Those who began with an SVID of the first root get to their end before it goes.
  await more(100);
  await reloaded({ ca: second.pem });
  await more(50);
  state.isOver = true;
  await Promise.all(load);
  expect(failures).toEqual([]);
  expect(tls.reloads.map(({ outcome }) => outcome)).toEqual(Array(7).fill('loaded'));
  expect(tls.refusals).toEqual([]);
  await expect(call(scene.connect(first.issue(), both), 'hello')).rejects.toMatchObject({ code: 14 });
  expect(await call(steady[0] ?? fleeting(), 'still open')).toBe('still open');
});

test('a client in the middle of its handshake when certificates change gets through', async () => {
  const root = makeRoot();
  await using scene = await grpcScene(root);
  const { tls } = scene;
  const calls = Array.from({ length: 20 }, () => call(scene.connect(root.issue(), [root]), 'hello'));
  const next = contentsBy(root);
  await write(tls.folder, { cert: next.cert, key: next.key });
  tls.clock.advance(lookMs);
  expect(await Promise.all(calls)).toEqual(Array(20).fill('hello'));
  await vi.waitFor(() => expect(tls.reloads).toHaveLength(1));
  await once(tls.client(root.issue()), 'secureConnect');
});
