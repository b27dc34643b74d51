/** The process that serves: what nobody can make it do, seen from outside, beside one that is not hardened. */
import { spawn } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hardenedFlags } from '../../src/app/hardening-flags.ts';
import { startAwsSimulator } from '../simulators/aws/server.ts';
import { awsFolder, startAwsDaemon } from '../support/aws-tenant.ts';
import { connect } from '../support/client.ts';
import { toldBy } from '../support/client-errors.ts';
import { type Daemon, freePort, type Hardening, startDaemon, temporaryFolder } from '../support/daemon.ts';
import { daemonFolder, localTenant, otherTransport } from '../support/daemon-folder.ts';
import { testedProgram } from '../support/tested-program.ts';

/** As operators start it. */
const hardening = 'by itself';
const demo = { tenant_id: 'demo', plaintext: Buffer.from('x') };

/** Text of a file of the process in /proc, with its zeros as line ends. */
async function procFile({ process }: Daemon, name: string): Promise<string> {
  return (await readFile(`/proc/${process.pid}/${name}`, 'utf8')).replaceAll('\0', '\n');
}

/** Ports on which the process itself listens for TCP (proc_net(5)). */
async function openPorts({ process: { pid } }: Daemon): Promise<number[]> {
  const names = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  const listening = '0A';
  const rows = (await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8'))))
    .flatMap((text) => text.split('\n'))
    .map((line) => line.trim().split(/\s+/));
  return rows
    .filter(([, , , state, , , , , , inode]) => state === listening && links.includes(`socket:[${inode}]`))
    .map(([, address = '']) => Number.parseInt(address.split(':').at(-1) ?? '', 16))
    .sort((a, b) => a - b);
}

/** The ports that its configuration names. */
function ownPorts({ tcp, http }: Daemon): number[] {
  return [tcp, http].map((address) => Number(address.split(':').at(-1))).sort((a, b) => a - b);
}

/** Lines of its log with this message. */
function logged({ output }: Pick<Daemon, 'output'>, message: string): Record<string, unknown>[] {
  // What others write to standard error may stand before a line.
  const lines = [...output().matchAll(/\{"level":.*\}$/gm)].map(([line]) => line);
  return lines.filter((line) => line.includes(message)).map((line) => JSON.parse(line) as Record<string, unknown>);
}

/**
 * Runs a command with a configuration whose tenants are nowhere, so that it ends right after it is hardened. The command
 * is told the folder that it runs in, which the configuration needs to write to.
 */
async function endingSoon(
  command: (folder: string) => readonly [string, ...string[]],
  more: Readonly<Record<string, string>> = {},
) {
  await using folder = await daemonFolder();
  const [file, ...args] = command(folder.path);
  const child = spawn(file, args, {
    cwd: folder.path,
    env: { ...process.env, NODE_ENV: '', NODE_OPTIONS: '', KEYPROXY_TENANTS_DIRECTORY: 'nowhere', ...more },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text += chunk;
    });
  }
  const code = await new Promise((done) => child.once('close', done));
  return { code, output: () => text };
}

const serve = [testedProgram(), 'serve', '--config', 'keyproxy.yaml'] as const;

describe('a daemon that is started as it comes', () => {
  test('is the same process, under Node’s permission model, and its files are its owner’s', async () => {
    await using daemon = await startDaemon({ hardening });
    using client = connect(daemon.socket);
    await client.call('Encrypt', demo);
    const words = (await procFile(daemon, 'cmdline')).split('\n');
    expect(words).toEqual(expect.arrayContaining(['--permission', '--disable-sigusr1', 'serve', '--dev']));
    const own = join(daemon.cwd, '.keyproxy-dev');
    const writes = words.filter((word) => word.startsWith('--allow-fs-write='));
    expect(writes.every((word) => word.startsWith(`--allow-fs-write=${own}`))).toBe(true);
    expect(words.filter((word) => word.startsWith('--allow-')).length).toBe(writes.length + 1);
    expect(await procFile(daemon, 'status')).toMatch(/^Umask:\s+0077$/m);
    expect(logged(daemon, 'the process is hardened')).toHaveLength(1);
    expect(await daemon.stop()).toBe(0);
  });

  test('opens no inspector, whatever NODE_OPTIONS and SIGUSR1 ask for, where one that is not hardened does', async () => {
    const inspected = async (how: Hardening) => {
      const daemon = await startDaemon({
        env: {
          NODE_OPTIONS: `--inspect=127.0.0.1:${await freePort()} --max-old-space-size=200`,
          NODE_TLS_REJECT_UNAUTHORIZED: '0',
        },
        hardening: how,
      });
      const before = await openPorts(daemon);
      daemon.process.kill('SIGUSR1');
      await new Promise((done) => setTimeout(done, 300));
      return { daemon, before, after: await openPorts(daemon) };
    };
    const hardened = await inspected(hardening);
    await using daemon = hardened.daemon;
    expect([hardened.before, hardened.after]).toEqual([ownPorts(daemon), ownPorts(daemon)]);
    expect(await procFile(daemon, 'environ')).not.toMatch(/^NODE_(?:OPTIONS|TLS_REJECT_UNAUTHORIZED)=/m);
    expect(await procFile(daemon, 'cmdline')).toMatch(/^--max-old-space-size=200$/m);
    expect(logged(daemon, 'options of Node')).toMatchObject([
      { dropped: expect.arrayContaining(['--inspect', 'NODE_TLS_REJECT_UNAUTHORIZED']) },
    ]);
    using client = connect(daemon.socket);
    await client.call('Encrypt', demo);

    const open = await inspected('none');
    await using other = open.daemon;
    expect(open.before).toHaveLength(ownPorts(other).length + 1);
    expect(logged(other, 'HARDENING IS OFF')).toMatchObject([{ level: 40, open: expect.any(Array) }]);
  });

  test('writes no heap snapshot at a signal, where one that is not hardened does', async () => {
    const snapshots = async (how: Hardening) => {
      // A signal that does nothing where nobody listens for it.
      await using daemon = await startDaemon({
        env: { NODE_OPTIONS: '--heapsnapshot-signal=SIGWINCH --report-on-signal --report-signal=SIGURG' },
        hardening: how,
      });
      const found = async () => (await readdir(daemon.cwd)).filter((name) => /^(?:Heap|report)/.test(name));
      for (const signal of ['SIGWINCH', 'SIGURG'] as const) daemon.process.kill(signal);
      if (how === 'none') await expect.poll(found, { timeout: 20_000 }).toHaveLength(2);
      else await new Promise((done) => setTimeout(done, 1_000));
      return (await found()).length;
    };
    expect([await snapshots(hardening), await snapshots('none')]).toEqual([0, 2]);
  });

  test('runs no credential_process of an AWS profile, and says what it may do instead', async () => {
    await using aws = await startAwsSimulator();
    await using folder = await awsFolder(aws, [{ id: 'acme', keyArn: aws.createKey().arn }]);
    const [program, marker] = [join(folder.path, 'program.sh'), join(folder.path, 'has-run')];
    const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey } = aws.platform;
    const printed = JSON.stringify({ Version: 1, AccessKeyId, SecretAccessKey });
    await writeFile(program, `#!/bin/sh\ntouch '${marker}'\necho '${printed}'\n`);
    await chmod(program, 0o755);
    await folder.write('profile', `[default]\ncredential_process = ${program}\n`);
    const env = {
      ...{ AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_CONFIG_FILE: join(folder.path, 'profile') },
      AWS_SHARED_CREDENTIALS_FILE: join(folder.path, 'none'),
    };
    const call = { ...demo, tenant_id: 'acme' };
    {
      await using daemon = await startAwsDaemon(aws, folder, env, { hardening });
      using client = connect(daemon.socket);
      const told = toldBy(await client.error('Encrypt', call));
      expect(told).toMatchObject({
        reason: 'KEY_SERVICE_CREDENTIALS',
        message: expect.stringContaining('environment'),
      });
      await expect(stat(marker)).rejects.toThrow('ENOENT');
    }
    await using daemon = await startAwsDaemon(aws, folder, env, { hardening: 'none' });
    using client = connect(daemon.socket);
    await client.call('Encrypt', call);
    expect((await stat(marker)).isFile()).toBe(true);
  });

  test('makes the folder of its socket for others to reach, and its state and audit for nobody else', async () => {
    await using folder = await daemonFolder({
      extra: 'allow_local: true\nstate: { directory: kept/state }\naudit: { path: kept/audit/audit.log }',
      tenants: { 'a.yaml': localTenant('a') },
    });
    const socket = 'run/deep/keyproxy.sock';
    await using daemon = await startDaemon({
      ...folder.start,
      socket,
      hardening,
      env: { KEYPROXY_LISTEN_UNIX: socket },
    });
    using client = connect(daemon.socket);
    await client.call('Encrypt', { ...demo, tenant_id: 'a' });
    const mode = async (name: string) => (await stat(join(folder.path, name))).mode & 0o777;
    expect([await mode('run'), await mode('run/deep')]).toEqual([0o755, 0o755]);
    expect([await mode('kept/state'), await mode('kept/audit/audit.log')]).toEqual([0o700, 0o600]);
    expect(await daemon.stop()).toBe(0);
  });

  test.skipIf(otherTransport !== undefined)(
    'may load native modules for peer_credentials, and warns of it',
    async () => {
      await using folder = await daemonFolder({
        listener: 'transport: native, peer_credentials: true',
        extra: 'allow_local: true',
        tenants: { 'a.yaml': localTenant('a') },
      });
      await using daemon = await startDaemon({ ...folder.start, hardening });
      using client = connect(daemon.socket);
      await client.call('Encrypt', { ...demo, tenant_id: 'a' });
      expect(await procFile(daemon, 'cmdline')).toMatch(/^--allow-addons$/m);
      expect(await procFile(daemon, 'maps')).toMatch(/koffi\S*\.node$/m);
      expect(logged(daemon, 'peer_credentials loads a native module')).toMatchObject([{ level: 40 }]);
    },
  );
});

describe('a daemon that is started under flags', () => {
  const flags = ['--permission', '--allow-fs-read=*', '--disable-sigusr1'] as const;

  test('may write nowhere else, and says which folder it cannot have', async () => {
    await using folder = await daemonFolder({ extra: 'state: { directory: elsewhere }' });
    await mkdir(join(folder.path, 'elsewhere'));
    const inFolder = [`--allow-fs-write=${folder.path}/keyproxy.sock`];
    const child = spawn(process.execPath, [...flags, ...inFolder, ...serve], { cwd: folder.path, stdio: 'pipe' });
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    expect(await new Promise((done) => child.once('close', done))).toBe(71);
    expect(said).toContain(`${join(folder.path, 'elsewhere')} of state.directory: ERR_ACCESS_DENIED`);
    expect(await readdir(join(folder.path, 'elsewhere'))).toEqual([]);
  });

  test('takes itself for hardened where they are no more than it needs, and says where it can write', async () => {
    let own = '';
    const exact = await endingSoon((folder) => {
      own = folder;
      return [process.execPath, ...hardenedFlags({ writable: [folder], nativeModules: false }), ...serve];
    });
    const fewer = await endingSoon(() => [process.execPath, ...flags, ...serve]);
    expect(logged(exact, 'the process is hardened')).toMatchObject([{ writable: [own] }]);
    expect(logged(fewer, 'the process is hardened')).toMatchObject([{ writable: [] }]);
    for (const { code, output } of [exact, fewer]) {
      expect(code).toBe(78);
      expect(output()).not.toContain('NOT HARDENED');
    }
  });

  test.each([
    [['--heapsnapshot-signal=SIGUSR2'], {}, ['--heapsnapshot-signal']],
    [['--allow-fs-write=/etc/*'], {}, ['--allow-fs-write=/etc/*']],
    [[], { NODE_TLS_REJECT_UNAUTHORIZED: '0' }, ['NODE_TLS_REJECT_UNAUTHORIZED']],
  ])('says loudly what is open where there is more: %j %j', async (options, env, names) => {
    const ended = await endingSoon(() => [process.execPath, ...flags, ...options, ...serve], env);
    expect(logged(ended, 'NOT HARDENED')).toMatchObject([
      { level: 40, open: names.map((name) => `Node was given ${name}`) },
    ]);
    expect(ended.output()).not.toContain('the process is hardened');
  });

  test('replaces itself where one of them lets it', async () => {
    const more = ['--allow-child-process', '--allow-fs-write=/etc/*', '--heapsnapshot-signal=SIGUSR2'];
    const ended = await endingSoon(() => [process.execPath, ...flags, ...more, ...serve]);
    expect(ended.code).toBe(78);
    expect(logged(ended, 'options of Node')).toMatchObject([
      { dropped: ['--allow-child-process', '--allow-fs-write=/etc/*', '--heapsnapshot-signal'] },
    ]);
    expect(logged(ended, 'the process is hardened')).toHaveLength(1);
  });
});

describe('a start warns of core dumps', () => {
  /** Runs it with this limit, in bytes or `unlimited`, on the size of core dumps. */
  const limited = (limit: string) =>
    endingSoon(() => ['sh', '-c', `ulimit -S -c ${limit} || exit 99; exec "$0" "$@"`, process.execPath, ...serve]);

  test('where they are possible, with the remedy', async () => {
    const ended = await limited('unlimited');
    if (ended.code === 99) return expect(ended.output()).not.toBe('');
    expect(logged(ended, 'core dump')).toMatchObject([{ level: 40, remedy: expect.stringContaining('LimitCORE=') }]);
  });

  test('and not where they are not', async () => {
    const isPiped = (await readFile('/proc/sys/kernel/core_pattern', 'utf8')).startsWith('|');
    const ended = await limited('0');
    expect(ended.code).toBe(78);
    expect(logged(ended, 'core dump')).toHaveLength(isPiped ? 1 : 0);
  });
});

test('a configuration that cannot be used ends in the first process, which makes nothing', async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'keyproxy.yaml'), 'listen: [{ unix: made/keyproxy.sock }]\nnonsense: 1\n');
  const child = spawn(process.execPath, serve, { cwd: folder.path, stdio: 'ignore' });
  expect(await new Promise((done) => child.once('close', done))).toBe(78);
  expect(await readdir(folder.path)).toEqual(['keyproxy.yaml']);
});
