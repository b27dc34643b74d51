/** The examples of docs/providers.md and docs/ciphertexts.md load, run, and say what the code says. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { checkKeyPolicy } from '../../src/app/check-key-policy.ts';
import { describeProblems } from '../../src/config/problem.ts';
import { parseTenantFile } from '../../src/config/tenant-file.ts';
import { usedOperations as awsOperations } from '../../src/kms/aws/permissions.ts';
import { permissions as gcpPermissions } from '../../src/kms/gcp/permissions.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { contextOf, knownAnswers } from '../support/known-answers.ts';
import { blocksOf, readPage as read } from '../support/pages.ts';

describe('docs/providers.md', () => {
  const page = 'docs/providers.md';
  const tenants = blocksOf(page, 'yaml').map((text) => {
    // A key in a file has to be allowed; every other example loads as a production daemon takes it.
    const allowLocal = text.includes('provider: local');
    return {
      title: text.split('\n')[0] ?? '',
      ...parseTenantFile(text, 't.yaml', { allowLocal, trustedEndpoints: [] }),
    };
  });

  test("shows tenants' files alone, and one at least for each provider", () => {
    expect(tenants.filter(({ title }) => !title.startsWith("# a tenant's file: "))).toEqual([]);
    const providers = new Set(tenants.map(({ config }) => config?.key.provider));
    expect([...providers].toSorted()).toEqual(['aws_kms', 'azure_kv', 'gcp_kms', 'local', 'vault']);
  });

  test.each(tenants)('shows a file that loads without a problem or a warning: $title', ({ problems, warnings }) => {
    expect(describeProblems([...problems, ...warnings])).toBe('');
  });

  test('shows replicas in another region and at another service', () => {
    const replicas = tenants.flatMap(({ config }) => config?.replicas ?? []);
    expect(replicas.map(({ provider }) => provider)).toEqual(['aws_kms', 'gcp_kms']);
  });

  test('shows a key policy of AWS that allows all and lets no other tenant in, as validate judges it', async () => {
    const [policy = '', trust = ''] = blocksOf(page, 'json');
    expect(JSON.parse(trust)).toMatchObject({ Statement: [{ Action: 'sts:AssumeRole' }] });
    const { config: tenant } = parseTenantFile(
      `customer: a
tenant_id: tenant_12345
encryption:
  provider: aws_kms
  aws_kms: { key_arn: "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab" }
`,
      't.yaml',
      { allowLocal: false, trustedEndpoints: [] },
    );
    if (tenant === undefined) throw new Error('the tenant of this test does not load');
    const principal = 'arn:aws:iam::444455556666:role/byok-service';
    const check = await checkKeyPolicy(policy, { tenant, principal });
    if (check.kind !== 'findings') throw new Error('the policy cannot be read');
    expect(check.findings).toHaveLength(5);
    expect(check.findings.filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
  });

  test('shows a rotation policy of Azure whose versions do not expire, and no other JSON', () => {
    const [, , rotation = '', ...more] = blocksOf(page, 'json');
    expect(more).toEqual([]);
    const action = { trigger: { timeAfterCreate: 'P90D' }, action: { type: 'Rotate' } };
    expect(JSON.parse(rotation)).toEqual({ lifetimeActions: [action] });
  });

  test("begins the rotation of Google's key a period after the command is run, whenever that is", async () => {
    const text = blocksOf(page, 'sh').join('\n');
    const [, period, time = ''] = /--rotation-period (\d+)d --next-rotation-time (\S.*)$/m.exec(text) ?? [];
    const { stdout } = await promisify(execFile)('sh', ['-c', `echo ${time}`]);
    expect(stdout).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n$/);
    const days = (Date.parse(stdout.trim()) - Date.now()) / 86_400_000;
    expect(days).toBeCloseTo(Number(period), 1);
  });

  test('gives a service account of Vault by its name, without a wildcard', () => {
    const text = blocksOf(page, 'sh').join('\n');
    const bound = [...text.matchAll(/bound_service_account_(?:names|namespaces)=(\S+)/g)].map(([, name]) => name);
    // The chart's own names, in the namespace that its README installs it into.
    expect(bound).toEqual(['keyproxy-node', 'keyproxy']);
  });

  test('names every permission of Vault that validate asks for, by a policy that has the needed ones', () => {
    const [policy = ''] = blocksOf(page, 'hcl');
    for (const path of ['encrypt', 'decrypt', 'datakey/plaintext', 'rewrap', 'keys']) {
      expect(read(page)).toContain(`| \`transit/${path}/KEY\` |`);
    }
    expect([
      ...policy.matchAll(/^path "transit\/(encrypt|decrypt)\/orders" +\{ capabilities = \["update"\] \}$/gm),
    ]).toHaveLength(2);
    expect(policy).not.toContain('create');
  });

  test('names every permission of AWS and Google that the code has a use for', () => {
    const missing = [
      ...awsOperations.map((operation) => `kms:${operation}`),
      ...gcpPermissions.map(({ name }) => name),
    ].filter((name) => !read(page).includes(`| \`${name}\` |`));
    expect(missing).toEqual([]);
    expect(gcpPermissions.filter(({ name, role }) => !read(page).includes(`| \`${name}\` | \`${role}\` |`))).toEqual(
      [],
    );
  });
});

describe('docs/ciphertexts.md', () => {
  const script = blocksOf('docs/ciphertexts.md', 'js').find((block) => block.startsWith('// entries.mjs')) ?? '';

  /** What the script makes of a file: the entries that it writes, and the context. */
  async function run(bytes: string, context?: Readonly<Record<string, string>>) {
    await using folder = await temporaryFolder();
    const file = (name: string) => join(folder.path, name);
    writeFileSync(file('entries.mjs'), script);
    writeFileSync(file('bytes.bin'), Buffer.from(bytes, 'hex'));
    const given = context === undefined ? [] : [JSON.stringify(context)];
    const { stdout } = await promisify(execFile)(process.execPath, ['entries.mjs', 'bytes.bin', ...given], {
      cwd: folder.path,
    });
    const lines = stdout.trimEnd().split('\n');
    return {
      lines,
      entries: lines.map((_, n) => readFileSync(file(`entry-${n}.bin`)).toString('hex')),
      context: readFileSync(file('context.bin')),
    };
  }

  test('has a script that takes the entries and the context out of every wrapped DEK of the known answers', async () => {
    for (const { wrappedDek, entries, context } of knownAnswers.wrappedDeks) {
      const found = await run(wrappedDek, context);
      expect(found.entries).toEqual(entries.map(({ ciphertext }) => ciphertext));
      expect(found.lines[0]).toMatch(/^entry-0\.bin aws-kms arn:aws:kms:/);
      expect(found.context).toEqual(contextOf(context).serialized);
    }
  });

  test('has a script that does the same with a ciphertext', async () => {
    for (const { message, entries, context } of knownAnswers.messages) {
      const found = await run(message);
      expect(found.entries).toEqual(entries.map(({ ciphertext }) => ciphertext));
      expect(found.context).toEqual(contextOf(context).serialized);
    }
  });
});
