/** Command lines in process: exit codes, and everything that is wrong in one message. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { version } from '../../../src/app/version.ts';
import type { Terminal } from '../../../src/cli/exit.ts';
import { run } from '../../../src/cli/run.ts';
import { createLocalKeyFile } from '../../../src/kms/local/key-file.ts';
import { freePort, temporaryFolder } from '../../support/daemon.ts';

const fixtures = resolve(import.meta.dirname, '../../support/fixtures/config');
const seedFile = join(fixtures, 'byok_config.yaml');
const badFile = join(fixtures, 'tenants-with-faults/five-mistakes.yaml');

/** Runs a command line and returns its exit code with all that it printed. */
async function keyproxy(args: readonly string[], options: Partial<Pick<Terminal, 'env' | 'cwd' | 'untilSignal'>> = {}) {
  const printed = { out: '', err: '' };
  const code = await run(args, {
    env: options.env ?? {},
    cwd: options.cwd ?? fixtures,
    out: (text) => {
      printed.out += text;
    },
    err: (text) => {
      printed.err += text;
    },
    untilSignal: options.untilSignal ?? (() => Promise.resolve('SIGTERM')),
  });
  return { code, ...printed };
}

/** A folder with a daemon's file, one tenant under a local key, and that key where `withKey`. */
async function installation(settings: { socket?: string; withKey?: boolean } = {}) {
  const folder = await temporaryFolder();
  const { socket = 'keyproxy.sock', withKey = true } = settings;
  const httpPort = await freePort();
  const config = join(folder.path, 'keyproxy.yaml');
  const tenant = join(folder.path, 'tenant.yaml');
  await writeFile(
    config,
    `listen: [{ unix: ${socket} }]\nhttp: { address: "127.0.0.1:${httpPort}" }\ntenants: { directory: . }\n` +
      'allow_local: true\nlog: { level: fatal }\n',
  );
  const key = join(folder.path, 'cmk.key');
  await writeFile(
    tenant,
    `customer: c\ntenant_id: t\nencryption: { provider: local, local: { key_name: k, key_file: ${key} } }\n`,
  );
  if (withKey) await createLocalKeyFile(key);
  return { folder, config, tenant, httpPort };
}

describe('keyproxy', () => {
  it('prints its usage, as an answer where it was asked for and as a mistake where not', async () => {
    const [help, long, nothing] = [await keyproxy(['help']), await keyproxy(['--help']), await keyproxy([])];
    expect([help.code, long.code, nothing.code]).toEqual([0, 0, 64]);
    expect(help.out).toMatch(/^usage: keyproxy COMMAND\n/);
    expect([long.out, nothing.out]).toEqual([help.out, help.out]);
  });

  it.each(['serve', 'validate'])('prints the usage of %s where that is asked for', async (command) => {
    const { code, out, err } = await keyproxy([command, '--help']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain(`usage: keyproxy ${command} `);
  });

  it('prints the version of its package', async () => {
    const manifest = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../../package.json'), 'utf8'));
    expect(await keyproxy(['--version'])).toEqual({ code: 0, out: `keyproxy ${manifest.version}\n`, err: '' });
    expect(manifest.version).toBe(version);
  });

  it.each([
    [['no-such-command'], 'there is no command of this name'],
    [['constructor'], 'there is no command of this name'],
    [['__proto__'], 'there is no command of this name'],
    [['serve'], 'serve needs one of --config FILE, --from-env and --dev'],
    [['serve', '--dev', '--config', 'x'], 'serve needs one of --config FILE, --from-env and --dev'],
    [['serve', '--no-such-option'], '--no-such-option'],
    [['serve', '--config'], '--config'],
    [['serve', 'file'], 'file'],
    [['validate'], 'validate needs at least one file'],
    [['validate', '--online', 'x'], '--online'],
  ])('takes %j for a command line that it cannot read', async (args, text) => {
    const { code, out, err } = await keyproxy(args);
    expect([code, out]).toEqual([64, '']);
    expect(err).toMatch(/^keyproxy: /);
    expect(err).toContain(text);
  });
});

describe('keyproxy serve', () => {
  it('names a configuration that it cannot read', async () => {
    const { code, err } = await keyproxy(['serve', '--config', 'no-such-file.yaml']);
    expect(code).toBe(78);
    expect(err).toContain(`${join(fixtures, 'no-such-file.yaml')}: cannot be read (ENOENT)`);
  });

  it('tells all problems of its configuration in one message', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'bad.yaml');
    await writeFile(
      file,
      'listen: [{ tcp: "0.0.0.0:1" }]\nhttp: { address: nowhere }\nlog: { level: loud }\nworkres: 2\n',
    );
    const { code, out, err } = await keyproxy(['serve', '--config', file]);
    expect([code, out]).toEqual([78, '']);
    for (const line of [1, 2, 3, 4]) expect(err).toContain(`bad.yaml:${line}`);
    expect(err).toContain('workres');
  });

  it.each([
    [['--dev'], { NODE_ENV: 'production' }, 'NODE_ENV is production'],
    [['--dev'], { KUBERNETES_SERVICE_HOST: '10.0.0.1' }, 'this is a Kubernetes pod'],
  ])('does not run %j with %j', async (args, env, text) => {
    const { code, err } = await keyproxy(['serve', ...args], { env });
    expect(code).toBe(78);
    expect(err).toContain(text);
  });

  it('does not run with a local key in production either, whatever the file allows', async () => {
    const { folder, config } = await installation();
    await using _folder = folder;
    const { code, err } = await keyproxy(['serve', '--config', config], { env: { NODE_ENV: 'production' } });
    expect(code).toBe(78);
    expect(err).toContain('allow_local keeps keys in files');
  });

  it('serves until the signal and leaves nothing behind', async () => {
    const { folder, config, httpPort } = await installation();
    await using _folder = folder;
    const seen: number[] = [];
    const untilSignal = async () => {
      for (let tries = 0; tries < 500; tries++) {
        const answer = await fetch(`http://127.0.0.1:${httpPort}/readyz`).catch(() => undefined);
        if (answer?.status === 200) break;
        await new Promise((done) => setTimeout(done, 5));
      }
      seen.push((await fetch(`http://127.0.0.1:${httpPort}/livez`)).status);
      return 'SIGTERM';
    };
    const { code, err } = await keyproxy(['serve', '--config', config], { untilSignal });
    expect([code, err, seen]).toEqual([0, '', [200]]);
    await expect(fetch(`http://127.0.0.1:${httpPort}/livez`)).rejects.toThrow();
  });

  it('tells a start that failed from a bad configuration', async () => {
    const { folder, config } = await installation({ socket: 'tenant.yaml' });
    await using _folder = folder;
    const { code, err } = await keyproxy(['serve', '--config', config]);
    expect(code).toBe(71);
    expect(err).toMatch(/^keyproxy: cannot listen on unix:.*not a socket/);
  });
});

describe('keyproxy validate', () => {
  it('finds the file of the product guide valid, byte for byte', async () => {
    expect(await keyproxy(['validate', '--offline', 'byok_config.yaml'])).toEqual({
      code: 0,
      out: '✓ byok_config.yaml: tenant tenant_12345 is valid (offline, no key service was called)\n',
      err: '',
    });
  });

  it('tells all problems of a file at once', async () => {
    const { code, out, err } = await keyproxy(['validate', '--offline', badFile]);
    expect([code, out]).toEqual([78, '']);
    expect(err).toContain('problems: 5');
    for (const path of ['tenant_id', 'key_arn', 'external_id', 'ttl_second', 'max_entries'])
      expect(err).toContain(path);
  });

  it('goes on to the next file, whatever is wrong with one', async () => {
    const { code, out, err } = await keyproxy(['validate', '--offline', 'no-such-file.yaml', badFile, seedFile]);
    expect(code).toBe(78);
    expect(err).toContain('cannot be read (ENOENT)');
    expect(err).toContain('problems: 5');
    expect(out).toContain(`✓ ${seedFile}`);
  });

  it('makes a round trip with the key where it may', async () => {
    const { folder, config, tenant } = await installation();
    await using _folder = folder;
    const { code, out } = await keyproxy(['validate', '--config', config, tenant]);
    expect(out.split('\n').slice(0, -1)).toEqual([
      '✓ current key k: can be opened',
      '✓ current key k: makes a data key',
      '✓ current key k: opens the data key again',
      `✓ ${tenant}: BYOK setup validated successfully`,
    ]);
    expect(code).toBe(0);
  });

  it('fails with advice where the key does not work, and with another code than for a bad file', async () => {
    const { folder, config, tenant } = await installation({ withKey: false });
    await using _folder = folder;
    const { code, out, err } = await keyproxy(['validate', '--config', config, tenant]);
    expect(code).toBe(1);
    expect(out).toMatch(/✗ current key k: can be opened\n {4}.*there is no such file/);
    expect(err).toContain('BYOK validation failed');
  });

  it('does not take a local key unless the daemon allows it', async () => {
    const { folder, tenant } = await installation();
    await using _folder = folder;
    expect((await keyproxy(['validate', tenant])).code).toBe(78);
  });
});
