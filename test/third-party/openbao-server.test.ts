/** An OpenBao server as customers run it: over TLS, initialised and unsealed by hand, and sealed again. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failureOf, never, operations, run, warmed } from '../contract/calls.ts';
import { makeAuthority } from '../support/certificates.ts';
import { freePort, temporaryFolder } from '../support/daemon.ts';
import { OpenBaoOwner } from './openbao-owner.ts';
import { OpenBaoWorld } from './openbao-world.ts';
import { folderOf } from './ready.ts';
import { type RunningServer, startServer } from './server-process.ts';

const folder = folderOf('openbao');

interface OwnServer extends AsyncDisposable {
  /** Over TLS, for keyproxy. */
  readonly address: string;
  /** The authority that signed its certificate. */
  readonly caFile: string;
  readonly owner: OpenBaoOwner;
  readonly unsealKey: string;
}

/** One storage, two doors: TLS for keyproxy, and a plain one for the owner, whose fetch knows no other authorities. */
function configuration(place: string, doors: { readonly tls: number; readonly plain: number }): string {
  return `
storage "inmem" {}
listener "tcp" {
  address       = "127.0.0.1:${doors.tls}"
  tls_cert_file = "${join(place, 'cert.pem')}"
  tls_key_file  = "${join(place, 'key.pem')}"
}
listener "tcp" {
  address     = "127.0.0.1:${doors.plain}"
  tls_disable = true
}
api_addr     = "https://127.0.0.1:${doors.tls}"
cluster_addr = "https://127.0.0.1:0"
`;
}

async function startOwn(installed: string): Promise<OwnServer> {
  await using stack = new AsyncDisposableStack();
  const place = stack.use(await temporaryFolder());
  const authority = await makeAuthority();
  const { key, cert } = await authority.issue();
  const file = (name: string) => join(place.path, name);
  const doors = { tls: await freePort(), plain: await freePort() };
  await writeFile(file('key.pem'), key, { mode: 0o600 });
  await writeFile(file('cert.pem'), cert);
  await writeFile(file('ca.pem'), authority.ca);
  await writeFile(file('server.hcl'), configuration(place.path, doors));
  const server: RunningServer = stack.use(
    await startServer({
      program: join(installed, 'openbao'),
      args: ['server', `-config=${file('server.hcl')}`],
      cwd: place.path,
      endpoint: `http://127.0.0.1:${doors.plain}`,
      readyPath: '/v1/sys/health?uninitcode=200&sealedcode=200',
    }),
  );
  const stranger = new OpenBaoOwner({ endpoint: server.endpoint, token: '' });
  const made = await stranger.initialise();
  const owner = new OpenBaoOwner({ endpoint: server.endpoint, token: made.rootToken });
  await owner.unseal(made.unsealKey);
  const moved = stack.move();
  const address = `https://127.0.0.1:${doors.tls}`;
  return {
    unsealKey: made.unsealKey,
    address,
    caFile: file('ca.pem'),
    owner,
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

describe.skipIf(folder === undefined)('an OpenBao server of one’s own', () => {
  let server: OwnServer;
  let world: OpenBaoWorld;
  beforeAll(async () => {
    server = await startOwn(folder ?? '');
    const { address, caFile, owner } = server;
    world = await OpenBaoWorld.enter(address, { caFile, owner });
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  it('is an outage while it is sealed, never a refusal, and serves again once it is unsealed', async () => {
    await using key = await world.openKey();
    const entry = await warmed(key.service);
    await server.owner.call('PUT', 'sys/seal');
    for (const operation of operations) {
      const { fault, details } = await failureOf(run(operation, key.service, { entry, signal: never }));
      expect(fault).toEqual({ kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' });
      expect(details.providerCode).toBe('Sealed');
    }
    await server.owner.unseal(server.unsealKey);
    for (const operation of operations) await run(operation, key.service, { entry, signal: never });
  });

  it('is an outage to whoever does not trust its certificate, and the advice names ca_file', async () => {
    await using place = await temporaryFolder();
    const caFile = join(place.path, 'other.pem');
    await writeFile(caFile, (await makeAuthority()).ca);
    expect(await readFile(caFile, 'utf8')).not.toBe(await readFile(server.caFile, 'utf8'));
    const { address, owner } = server;
    await using distrustful = await OpenBaoWorld.enter(address, { caFile, owner });
    await using key = await distrustful.openKey();
    const { fault, details } = await failureOf(warmed(key.service));
    expect(fault).toEqual({ kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' });
    expect(details.advice).toContain('ca_file');
  });
});
