/** Who calls and what they may do, on the real daemon: tokens, certificates, the policy, and what the audit says of it. */
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { connect } from '../support/client.ts';
import { toldBy } from '../support/client-errors.ts';
import { type Daemon, runKeyproxy, startDaemon } from '../support/daemon.ts';
import { type DaemonFolder, daemonFolder, localTenant } from '../support/daemon-folder.ts';
import { type Authority, makeRoot, workload } from '../support/svids.ts';
import { startTokenIssuer, type TokenIssuer } from '../support/token-issuer.ts';

const policy = `
rules:
  - { callers: ["system:serviceaccount:shop:*"], tenants: [a], operations: [encrypt, decrypt] }
  - { callers: ["${workload}"], tenants: [b], operations: ["*"] }
  - { callers: [socket], tenants: [a], operations: [describe_tenant] }
`;

const daemonFile = (issuer: TokenIssuer) => `
environment: test
listen:
  - { unix: keyproxy.sock, mode: "0600", identity: [socket, token] }
  - { tcp: "127.0.0.1:50051", identity: [mtls, token] }
http: { address: "127.0.0.1:9464" }
tenants: { directory: tenants }
policy: policy.yaml
allow_local: true
identity:
  token: { issuer: "${issuer.name}", jwks_uri: "${issuer.jwksUri}" }
  mtls: { cert: tls.crt, key: tls.key, ca: ca.crt, trust_domain: example.org }
audit: { path: audit.jsonl }
`;

const plaintext = Buffer.from('{"order":17}');
const marked = { 'keyproxy-request': 'true' };
const bearer = (token: string) => ({ ...marked, authorization: `Bearer ${token}` });

describe('a daemon with a policy', () => {
  let issuer: TokenIssuer;
  let root: Authority;
  let folder: DaemonFolder;
  let daemon: Daemon;

  beforeAll(async () => {
    issuer = await startTokenIssuer();
    root = makeRoot();
    folder = await daemonFolder({ policy, tenants: { 'a.yaml': localTenant('a'), 'b.yaml': localTenant('b') } });
    const server = root.issue({ dns: ['localhost'] });
    await folder.write('tls.crt', server.cert);
    await folder.write('tls.key', server.key);
    await folder.write('ca.crt', root.pem);
    await folder.write('keyproxy.yaml', daemonFile(issuer));
    daemon = await startDaemon(folder.start);
  });
  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
    await issuer[Symbol.asyncDispose]();
  });

  const audit = async () =>
    (await readFile(join(folder.path, 'audit.jsonl'), 'utf8'))
      .split('\n')
      .filter((line) => line.includes('"seq"'))
      .map((line) => JSON.parse(line));

  test('knows a service account by its token, and lets it do what its rule says and nothing else', async () => {
    using client = connect(daemon.socket, bearer(issuer.mint()));
    const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', { tenant_id: 'a', plaintext });
    const opened = await client.call<{ plaintext: Buffer }>('Decrypt', { tenant_id: 'a', ciphertext });
    expect(opened.plaintext).toEqual(plaintext);
    for (const [method, tenant_id] of [
      ['GenerateDEK', 'a'],
      ['Encrypt', 'b'],
      ['Encrypt', 'no-such-tenant'],
    ] as const) {
      const error = await client.error(method, { tenant_id, plaintext });
      expect([error.code, toldBy(error).reason]).toEqual([status.PERMISSION_DENIED, 'ACCESS_DENIED']);
    }
  });

  test('judges a call that carries a token by the token alone', async () => {
    const other = { ...marked, authorization: 'Basic dXNlcjpwYXNz' };
    for (const metadata of [bearer(issuer.mint({ claims: { aud: ['vault'] } })), bearer('a.b.c'), other]) {
      using client = connect(daemon.socket, metadata);
      const error = await client.error('DescribeTenant', { tenant_id: 'a' });
      expect([error.code, toldBy(error).reason]).toEqual([status.UNAUTHENTICATED, 'CALLER_UNAUTHENTICATED']);
    }
    using without = connect(daemon.socket);
    await without.call('DescribeTenant', { tenant_id: 'a' });
    expect(toldBy(await without.error('Encrypt', { tenant_id: 'a', plaintext })).reason).toBe('ACCESS_DENIED');
  });

  test('goes on through a change of the keys of the issuer', async () => {
    const before = issuer.mint();
    issuer.rotate();
    for (const token of [issuer.mint(), before]) {
      using client = connect(daemon.socket, bearer(token));
      await client.call('Encrypt', { tenant_id: 'a', plaintext });
    }
  });

  test('knows a workload by its certificate, and refuses who has none', async () => {
    const tls = { ...root.issue(), ca: root.pem };
    using client = connect(daemon.tcp, marked, tls);
    await client.call('Encrypt', { tenant_id: 'b', plaintext });
    expect(toldBy(await client.error('Encrypt', { tenant_id: 'a', plaintext })).reason).toBe('ACCESS_DENIED');
    const stranger = { ...makeRoot().issue(), ca: root.pem };
    using refused = connect(daemon.tcp, marked, stranger);
    expect((await refused.error('Encrypt', { tenant_id: 'b', plaintext })).code).toBe(status.UNAVAILABLE);
    using plain = connect(daemon.tcp, marked);
    expect((await plain.error('Encrypt', { tenant_id: 'b', plaintext })).code).toBe(status.UNAVAILABLE);
    await vi.waitFor(() => expect(daemon.output()).toContain('a TLS connection was refused'));
    // A token over a connection with a certificate counts before it.
    using both = connect(daemon.tcp, bearer(issuer.mint()), tls);
    await both.call('Encrypt', { tenant_id: 'a', plaintext });
  });

  test('follows its policy, and keeps the last good one', async () => {
    using client = connect(daemon.socket, bearer(issuer.mint({ account: 'billing' })));
    const file = join(folder.path, 'policy.yaml');
    const more = '  - { callers: ["system:serviceaccount:shop:billing"], tenants: [b], operations: [encrypt] }\n';
    const call = () => client.call('Encrypt', { tenant_id: 'b', plaintext });
    await expect(call()).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
    await writeFile(file, policy + more);
    await vi.waitFor(call, { timeout: 10_000, interval: 200 });
    await writeFile(file, `${policy}${more}  - { callers: [nobody] }\n`);
    await vi.waitFor(() => expect(daemon.output()).toContain('the policy file was not taken'), { timeout: 10_000 });
    await call();
    await writeFile(file, policy);
    await vi.waitFor(() => expect(call()).rejects.toMatchObject({ code: status.PERMISSION_DENIED }), {
      timeout: 10_000,
      interval: 200,
    });
  });

  test('records every operation and every denial with its caller, in a chain that holds', async () => {
    {
      // The key of the tenant is in memory then.
      using other = connect(daemon.socket, bearer(issuer.mint({ account: `first-${randomUUID()}` })));
      await other.call('Encrypt', { tenant_id: 'a', plaintext });
    }
    const account = `audited-${randomUUID()}`;
    using client = connect(daemon.socket, bearer(issuer.mint({ account })));
    await client.call('Encrypt', { tenant_id: 'a', plaintext });
    await client.error('Encrypt', { tenant_id: 'b', plaintext });
    const caller = `system:serviceaccount:shop:${account}`;
    const own = (await audit()).filter((entry) => entry.caller === caller);
    expect(own).toMatchObject([
      { phase: 'call', operation: 'encrypt', tenant: 'a', outcome: 'ok', provider: 'local', key: 'key-of-a' },
      { phase: 'end', operation: 'encrypt', tenant: 'b', outcome: 'denied', reason: 'ACCESS_DENIED' },
    ]);
    const verified = await runKeyproxy(['audit', 'verify', join(folder.path, 'audit.jsonl')]);
    expect([verified.code, verified.stderr]).toEqual([0, '']);
    const metrics = await (await fetch(`${daemon.http}/metrics`)).text();
    expect(metrics).toMatch(/keyproxy_access_denied_total\{operation="encrypt"\} [1-9]/);
    expect(metrics).toMatch(/keyproxy_audit_entries_total\{outcome="written"\} [1-9]/);
  });

  test('answers what the policy says to a question', async () => {
    const ask = (...question: string[]) =>
      runKeyproxy(['access', 'test', '--policy', join(folder.path, 'policy.yaml'), ...question]);
    const allowed = await ask('system:serviceaccount:shop:orders', 'a', 'decrypt');
    expect([allowed.code, allowed.stdout]).toEqual([
      0,
      '✓ allowed: system:serviceaccount:shop:orders decrypt for a, by rule 1\n',
    ]);
    const denied = await ask('socket', 'a', 'decrypt');
    expect([denied.code, denied.stdout]).toEqual([
      1,
      '✗ denied: socket decrypt for a; the rules that have this caller and this tenant allow only describe_tenant\n',
    ]);
    expect((await ask('root', 'a', 'decrypt')).code).toBe(64);
    expect((await ask('socket', 'a', 'read')).code).toBe(64);
  });
});
