/** A listener that gives its connections to mutual TLS, the three files in a folder, and clients of every kind. */
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { Caller } from '../../../src/base/caller.ts';
import { type MutualTls, type MutualTlsOptions, openMutualTls } from '../../../src/identity/mutual-tls.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type Authority, type Svid, trustDomain } from '../../support/svids.ts';

/** What the files hold, in PEM. */
export interface Contents {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface TlsScene extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly folder: string;
  readonly port: number;
  readonly mtls: MutualTls;
  /** Who came through, in order. */
  readonly callers: Caller[];
  readonly refusals: string[];
  readonly reloads: { readonly outcome: string; readonly cause: unknown }[];
  /** The sockets that were accepted. */
  readonly accepted: Socket[];
  /** Starts a connection; with an SVID it is shown. What the client is told of a failure is not thrown. */
  client(svid?: Svid, options?: ConnectionOptions): TLSSocket;
}

export interface SceneOptions {
  /** What becomes of a connection that came through; it gets back what it sends unless told otherwise. */
  readonly onSecure?: (socket: TLSSocket, caller: Caller) => void;
}

/** Where the files of a folder are. */
export function pathsIn(folder: string): Contents {
  return { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key'), ca: join(folder, 'ca.crt') };
}

/** Puts each file in its place in one step, as a careful writer does. */
export async function write(folder: string, contents: Partial<Contents>): Promise<void> {
  const paths = pathsIn(folder);
  for (const name of ['key', 'cert', 'ca'] as const) {
    const text = contents[name];
    if (text === undefined) continue;
    await writeFile(`${paths[name]}.new`, text, { mode: 0o600 });
    await rename(`${paths[name]}.new`, paths[name]);
  }
}

/** The files of a daemon whose certificate `root` has issued, and who trusts `root`. */
export function contentsBy(root: Authority, server: Svid = root.issue({ dns: ['localhost'] })): Contents {
  return { cert: server.cert, key: server.key, ca: root.pem };
}

/** A clock that stands at the present, when the certificates of tests are valid. */
function presentClock(): FakeClock {
  const clock = new FakeClock();
  clock.wallJump(Date.now() - clock.now());
  return clock;
}

export async function tlsScene(contents: Contents, options: SceneOptions = {}): Promise<TlsScene> {
  const folder = await temporaryFolder();
  await write(folder.path, contents);
  return sceneIn(folder.path, pathsIn(folder.path), { ...options, folder });
}

/** A scene on files that stand somewhere already. */
export async function sceneIn(
  path: string,
  paths: Contents,
  options: SceneOptions & { readonly folder?: AsyncDisposable } = {},
): Promise<TlsScene> {
  const clock = presentClock();
  const { onSecure = (socket: TLSSocket) => void socket.pipe(socket) } = options;
  const [callers, refusals, reloads, accepted] = [[], [], [], []] as [
    Caller[],
    string[],
    { outcome: string; cause: unknown }[],
    Socket[],
  ];
  const settings: MutualTlsOptions = {
    ...paths,
    ...{ trustDomain, clock },
    onReload: (outcome, cause) => reloads.push({ outcome, cause }),
    onRefused: (why) => refusals.push(why),
  };
  const mtls = await openMutualTls(settings);
  const server = createServer((socket) => {
    accepted.push(socket);
    mtls.take(socket, (secure, caller) => {
      callers.push(caller);
      secure.on('error', () => {});
      onSecure(secure, caller);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server.address());
  const clients: TLSSocket[] = [];
  return {
    ...{ clock, folder: path, port, mtls, callers, refusals, reloads, accepted },
    client(svid, tls = {}) {
      const shown = svid === undefined ? {} : { cert: svid.cert, key: svid.key };
      // Whom the client talks to is not what is tested here.
      const socket = connect({
        ...{ port, host: '127.0.0.1', ALPNProtocols: ['h2'], rejectUnauthorized: false },
        ...shown,
        ...tls,
      });
      socket.on('error', () => {});
      clients.push(socket);
      return socket;
    },
    async [Symbol.asyncDispose]() {
      mtls[Symbol.dispose]();
      for (const socket of [...clients, ...accepted]) socket.destroy();
      server.close();
      await once(server, 'close');
      await options.folder?.[Symbol.asyncDispose]();
    },
  };
}

/** Resolves when a socket has ended, whatever its end was. */
export function closed(socket: Socket): Promise<void> {
  return new Promise((done) => {
    socket.once('close', () => done());
  });
}

/** What comes back of `text` on an open connection. */
export async function echoOf(socket: TLSSocket, text: string): Promise<string> {
  socket.write(text);
  const [answer] = await once(socket, 'data');
  return String(answer);
}

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number {
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}
