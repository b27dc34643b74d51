/** How the daemon starts and ends: one message that says what is wrong, an exit code a script can read, no mess left. */
import { chmod, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startAwsSimulator } from '../simulators/aws/server.ts';
import { awsFolder, startAwsDaemon } from '../support/aws-tenant.ts';
import { connect } from '../support/client.ts';
import { definitionOf } from '../support/client-definitions.ts';
import { toldBy } from '../support/client-errors.ts';
import { freePort, runKeyproxy, startDaemon, temporaryFolder } from '../support/daemon.ts';
import { commandHere } from '../support/daemon-command.ts';
import { daemonFolder, localTenant } from '../support/daemon-folder.ts';
import { connectRaw } from '../support/raw-http2.ts';

const [ok, usage, startup, configuration] = [0, 64, 71, 78];
const isRoot = process.getuid?.() === 0;
const fixtures = resolve(import.meta.dirname, '../support/fixtures/config');
const demo = { tenant_id: 'demo', plaintext: Buffer.from('x') };

/** Free addresses for a daemon that must not come up, and for one that may. */
async function addresses(): Promise<Record<string, string>> {
  return {
    KEYPROXY_LISTEN_TCP: `127.0.0.1:${await freePort()}`,
    KEYPROXY_HTTP_ADDRESS: `127.0.0.1:${await freePort()}`,
  };
}

async function listening(port = 0): Promise<{ server: Server; port: number } & AsyncDisposable> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return { server, port: address.port, [Symbol.asyncDispose]: () => new Promise((done) => server.close(() => done())) };
}

/**
 * Runs the daemon in `cwd` to the end that it must come to, and returns what it said. What cannot be bound needs a
 * process of its own; a configuration is refused before that, so most of those need none.
 */
async function refused(cwd: string, args: readonly string[], code: number, env: Record<string, string> = {}) {
  const start = code === startup ? runKeyproxy : commandHere;
  const ended = await start(['serve', ...args], { cwd, env: { ...(await addresses()), ...env } });
  expect(ended).toMatchObject({ code });
  expect(ended.stderr).toMatch(/^keyproxy: /m);
  expect(ended.stderr).not.toContain('    at ');
  return ended.stderr;
}

describe.concurrent('a start that cannot be ends with 71 and one message that names the place:', () => {
  test.each(['KEYPROXY_LISTEN_TCP', 'KEYPROXY_HTTP_ADDRESS'])('a port in use (%s)', async (variable) => {
    await using folder = await temporaryFolder();
    await using taken = await listening();
    const said = await refused(folder.path, ['--dev'], startup, { [variable]: `127.0.0.1:${taken.port}` });
    expect(said).toContain(`127.0.0.1:${taken.port}`);
    expect(said).toContain('in use');
  });

  test('the socket of a daemon that lives, which goes on unharmed', async () => {
    await using daemon = await startDaemon();
    const said = await refused(daemon.cwd, ['--dev'], startup, { KEYPROXY_STATE_DIRECTORY: 'another' });
    expect(said).toContain('keyproxy.sock: another process answers there');
    using client = connect(daemon.socket);
    await client.call('Encrypt', demo);
  });

  test('the state of a daemon that lives', async () => {
    await using daemon = await startDaemon();
    const said = await refused(daemon.cwd, ['--dev'], startup, { KEYPROXY_LISTEN_UNIX: 'another.sock' });
    expect(said).toContain('.keyproxy-dev/state of state.directory: another process has it');
  });

  test('a file where the socket should be, which stays', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, '.keyproxy-dev/keyproxy.sock');
    await mkdir(join(folder.path, '.keyproxy-dev'));
    await writeFile(path, 'mine');
    expect(await refused(folder.path, ['--dev'], startup)).toContain('not a socket');
    expect(await readFile(path, 'utf8')).toBe('mine');
  });

  test('a link where the socket should be, which stays', async () => {
    await using folder = await temporaryFolder();
    await mkdir(join(folder.path, '.keyproxy-dev'));
    await symlink('/dev/null', join(folder.path, '.keyproxy-dev/keyproxy.sock'));
    expect(await refused(folder.path, ['--dev'], startup)).toContain('not a socket');
  });

  test('a file where the folder of development should be', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, '.keyproxy-dev'), '');
    expect(await refused(folder.path, ['--dev'], startup)).toContain('.keyproxy-dev');
  });
});

describe.concurrent('a configuration that cannot be used ends with 78 and names what is wrong:', () => {
  test('a socket path that is too long', async () => {
    await using folder = await temporaryFolder();
    const said = await refused(folder.path, ['--dev'], configuration, {
      KEYPROXY_LISTEN_UNIX: `${'x'.repeat(120)}.sock`,
    });
    expect(said).toContain('107 bytes');
  });

  test('a folder of tenants that is missing', async () => {
    await using folder = await daemonFolder();
    const said = await refused(folder.path, folder.start.args ?? [], configuration, {
      KEYPROXY_TENANTS_DIRECTORY: 'nowhere',
    });
    expect(said).toContain('nowhere');
    expect(said).toContain('ENOENT');
  });

  test.skipIf(isRoot)(
    `a folder of tenants that may not be read${isRoot ? ' (skipped: root may read everything)' : ''}`,
    async () => {
      await using folder = await daemonFolder({ extra: 'allow_local: true', tenants: { 'a.yaml': localTenant('a') } });
      await chmod(folder.tenants, 0o000);
      const said = await refused(folder.path, folder.start.args ?? [], configuration);
      await chmod(folder.tenants, 0o700);
      expect(said).toContain('EACCES');
    },
  );

  test('a folder of tenants that is a file', async () => {
    await using folder = await daemonFolder();
    const said = await refused(folder.path, folder.start.args ?? [], configuration, {
      KEYPROXY_TENANTS_DIRECTORY: 'keyproxy.yaml',
    });
    expect(said).toContain('ENOTDIR');
  });

  test('a tenant file with five mistakes, all five with their lines in one message', async () => {
    const text = await readFile(join(fixtures, 'tenants-with-faults/five-mistakes.yaml'), 'utf8');
    await using folder = await daemonFolder({ tenants: { 'acme.yaml': text } });
    const said = await refused(folder.path, folder.start.args ?? [], configuration);
    expect(said).toContain('5 problems');
    const line = (start: string) => text.split('\n').findIndex((each) => each.trim().startsWith(start)) + 1;
    for (const [start, path] of [
      ['tenant_id:', 'tenant_id'],
      ['key_arn:', 'key_arn'],
      ['ttl_second:', 'ttl_second'],
      ['max_entries:', 'max_entries'],
    ]) {
      expect(said).toMatch(new RegExp(`acme\\.yaml:${line(start ?? '')}: [a-z_.]*${path}`));
    }
    expect(said).toContain('external_id');
    expect(said.match(/acme\.yaml:\d+: /g)).toHaveLength(5);
  });

  test('a file of the daemon that is missing, and one that is no YAML', async () => {
    await using folder = await temporaryFolder();
    const process = await runKeyproxy(['serve', '--config', 'none.yaml'], { cwd: folder.path });
    expect(process).toMatchObject({ code: configuration, stderr: expect.stringContaining('none.yaml') });
    await writeFile(join(folder.path, 'bad.yaml'), 'listen: [ {');
    expect(await refused(folder.path, ['--config', 'bad.yaml'], configuration)).toMatch(/bad\.yaml:\d+/);
  });

  test('TCP without an identity, and TCP for everybody', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'keyproxy.yaml');
    await writeFile(file, 'tenants: { directory: . }\nlisten: [{ tcp: "127.0.0.1:50051" }]\n');
    expect(await refused(folder.path, ['--config', file], configuration)).toContain(
      'a TCP listener needs one of token, mtls, insecure_loopback',
    );
    await writeFile(
      file,
      'tenants: { directory: . }\npolicy: p\nlisten: [{ tcp: "127.0.0.1:50051", identity: insecure_loopback }]\n',
    );
    const everywhere = { KEYPROXY_LISTEN_TCP: '0.0.0.0:50051' };
    expect(await refused(folder.path, ['--config', file], configuration, everywhere)).toContain('not a loopback');
  });

  test.each([
    ['NODE_ENV', 'production'],
    ['KUBERNETES_SERVICE_HOST', '10.0.0.1'],
  ])('keys in files where %s is %s, in development and by allow_local', async (name, value) => {
    await using folder = await daemonFolder({ extra: 'allow_local: true', tenants: { 'a.yaml': localTenant('a') } });
    expect(await refused(folder.path, ['--dev'], configuration, { [name]: value })).toContain('--dev');
    const said = await refused(folder.path, folder.start.args ?? [], configuration, { [name]: value });
    expect(said).toContain('allow_local');
  });
});

test.concurrent.each([[['serve']], [['serve', '--dev', '--config', 'x']], [['serve', '--nothing']], [['fly']]])(
  'the command line %j ends with 64 and says what would be right',
  async (args) => {
    const ended = await commandHere(args);
    expect(ended.code).toBe(usage);
    expect(ended.stderr).toContain('serve');
  },
);

describe('a daemon that runs', () => {
  test('takes the place of one that was killed: its stale socket, and its key', async () => {
    await using folder = await temporaryFolder();
    const first = await startDaemon({ cwd: folder.path });
    using before = connect(first.tcp);
    const { ciphertext } = await before.call<{ ciphertext: Buffer }>('Encrypt', demo);
    first.process.kill('SIGKILL');
    await first[Symbol.asyncDispose]();
    expect((await stat(join(folder.path, '.keyproxy-dev/keyproxy.sock'))).isSocket()).toBe(true);

    await using second = await startDaemon({ cwd: folder.path });
    using after = connect(second.socket);
    expect(await after.call('Decrypt', { tenant_id: 'demo', ciphertext })).toMatchObject({ plaintext: demo.plaintext });
  });

  test('keeps its key and its socket to its user, and prints where it listens', async () => {
    await using daemon = await startDaemon();
    const mode = async (name: string) => (await stat(join(daemon.cwd, '.keyproxy-dev', name))).mode & 0o777;
    expect(await mode('cmk.key')).toBe(0o600);
    expect(await mode('keyproxy.sock')).toBe(0o600);
    expect(await mode('')).toBe(0o700);
    const output = daemon.output();
    for (const address of [daemon.socket, daemon.tcp, daemon.http]) expect(output).toContain(address);
    expect(output).toContain('DEVELOPMENT MODE');
  });

  test('gives its socket the mode of its file', async () => {
    await using folder = await daemonFolder({ extra: 'allow_local: true', tenants: { 'a.yaml': localTenant('a') } });
    const file = join(folder.path, 'keyproxy.yaml');
    await writeFile(file, (await readFile(file, 'utf8')).replace('"0600"', '"0666"'));
    await using _daemon = await startDaemon(folder.start);
    expect((await stat(join(folder.path, 'keyproxy.sock'))).mode & 0o777).toBe(0o666);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('ends with 0 on %s: calls in flight are answered', async (signal) => {
    await using daemon = await startDaemon();
    using client = connect(daemon.socket);
    using raw = connectRaw({ tcp: daemon.tcp }, 'localhost');
    const { path, requestSerialize } = definitionOf('/grpc.health.v1.Health/Watch');
    const watch = raw.open({ path, messages: [requestSerialize({ service: '' })] });
    await new Promise((done) => watch.once('data', done));
    const plaintext = Buffer.alloc(2 << 20, 'x');
    const inFlight = Array.from({ length: 10 }, () => client.call('Encrypt', { ...demo, plaintext }));
    await inFlight[0];
    const start = Date.now();
    daemon.process.kill(signal);
    const code = await new Promise((done) => daemon.process.once('exit', done));
    expect(code).toBe(ok);
    expect(Date.now() - start).toBeLessThan(5000);
    const outcomes = await Promise.allSettled(inFlight);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([]);
    await expect(stat(join(daemon.cwd, '.keyproxy-dev/keyproxy.sock'))).rejects.toThrow('ENOENT');
  });

  test('tells calls that still wait for a key service at the end why they end', async () => {
    await using aws = await startAwsSimulator();
    const more = '  limits: { kms_timeout_ms: 30000 }';
    await using folder = await awsFolder(aws, [{ id: 'waiting', keyArn: aws.createKey({}).arn, more }]);
    await using daemon = await startAwsDaemon(aws, folder);
    using client = connect(daemon.socket);
    aws.faults.add({ service: 'kms', fault: { kind: 'hang' } });
    const waiting = client.error('Encrypt', { tenant_id: 'waiting', plaintext: Buffer.from('x') });
    await expect.poll(() => aws.calls.length, { timeout: 10_000 }).toBeGreaterThan(0);
    const code = daemon.stop();
    expect(toldBy(await waiting)).toMatchObject({ code: 14, reason: 'SHUTTING_DOWN' });
    expect(await code).toBe(ok);
  });
});
