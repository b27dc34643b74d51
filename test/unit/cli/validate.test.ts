/** `keyproxy validate --key-policy`: what a policy would mean, told from two files and without any network. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { customerAccount, type GuidePolicy, guidePolicy } from '../../contract/aws-key-policies.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { commandHere } from '../../support/daemon-command.ts';

const keyArn = `arn:aws:kms:us-east-1:${customerAccount}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
const platform = 'arn:aws:iam::123456789012:role/byok-service';
const role = `role_arn: "arn:aws:iam::${customerAccount}:role/byok-access", external_id: unique-external-id-12345`;

function tenantFile(rest = ''): string {
  return `
customer: acme
tenant_id: acme
encryption:
  provider: aws_kms
  aws_kms: { key_arn: "${keyArn}"${rest} }
`;
}

/** Runs the command in a folder with `tenant.yaml` and `policy.json`. */
async function explain(policy: string, options: { args?: readonly string[]; tenant?: string } = {}) {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'tenant.yaml'), options.tenant ?? tenantFile());
  await writeFile(join(folder.path, 'policy.json'), policy);
  const args = options.args ?? ['--principal', platform];
  return await commandHere(['validate', '--key-policy', 'policy.json', ...args, 'tenant.yaml'], { cwd: folder.path });
}

const asAscend = { args: ['--principal', 'arn:aws:sts::123456789012:assumed-role/ascend-byok-service/i-0123'] };

describe('keyproxy validate --key-policy', () => {
  it('tells line by line what the policy of a guide allows, what lacks, and where to add it', async () => {
    const { code, stdout, stderr } = await explain(guidePolicy('implementation-guide'));
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.split('\n')).toEqual([
      "✓ the key's policy allows kms:GenerateDataKey (GenerateDEK and Encrypt)",
      "✓ the key's policy allows kms:Decrypt (Unwrap and Decrypt)",
      "! the key's policy allows kms:Encrypt (Rewrap, key rotation, replicas and RSA keys)",
      expect.stringMatching(/^ {4}add kms:Encrypt to statement "Allow Platform Service"; without it /),
      "! the key's policy allows kms:DescribeKey (exact messages about the key's state, and RSA keys)",
      expect.stringMatching(/^ {4}add kms:DescribeKey to statement "Allow Platform Service"; without it /),
      "! the key's policy binds the key to this tenant (kms:EncryptionContext:tenant_id)",
      expect.stringContaining('kms:GenerateDataKey and kms:Decrypt work for any tenant_id'),
      '✓ tenant.yaml: the key policy policy.json lets keyproxy serve the tenant (offline, no key service was called)',
      '',
    ]);
  });

  it('takes the session that get-caller-identity prints for its role', async () => {
    const { code, stdout } = await explain(guidePolicy('setup-guide'), asAscend);
    expect(code).toBe(0);
    expect(stdout.match(/^✓/gm)).toHaveLength(5);
  });

  it('fails with the name of the statement and of the condition that exclude direct calls', async () => {
    const { code, stdout, stderr } = await explain(guidePolicy('setup-guide-via-service'), asAscend);
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ .*\n {4}statement "Allow ASCEND [^"]*" has a condition on kms:ViaService/);
    expect(stderr).toBe(
      '✗ tenant.yaml: the key policy policy.json does not let keyproxy serve the tenant ' +
        '(offline, no key service was called)\n',
    );
  });

  it("asks in the name of the tenant's role where it has one", async () => {
    const tenant = tenantFile(`, ${role}`);
    const names: GuidePolicy[] = ['setup-guide', 'implementation-guide'];
    for (const name of names) {
      const { code, stdout } = await explain(guidePolicy(name), { args: [], tenant });
      expect(code).toBe(0);
      expect(stdout).toContain(`leaves it to account ${customerAccount}`);
      expect(stdout).not.toContain('binds the key to this tenant');
    }
  });

  it.each([
    ['', 'is not JSON'],
    ['{"Version":"2012-10-17"', 'is not JSON'],
    ['[]', 'is not a policy'],
    ['{"Version":"2012-10-17"}', 'has no "Statement"'],
    ['{"Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*"}]}', 'statement 1 needs "Resource"'],
  ])('says what is wrong with a file that is no policy: %s', async (policy, part) => {
    const { code, stdout, stderr } = await explain(policy);
    expect([code, stdout]).toEqual([78, '']);
    expect(stderr).toMatch(/^✗ policy\.json: /);
    expect(stderr).toContain(part);
  });

  it('quotes nothing of a file that is no policy', async () => {
    const { stderr } = await explain('{"SecretThing": hunter2');
    expect(stderr).not.toMatch(/hunter2|SecretThing/);
  });

  it('names a policy that cannot be read', async () => {
    const { code, stderr } = await explain('{}', { args: ['--key-policy', 'none.json', '--principal', platform] });
    expect(code).toBe(78);
    expect(stderr).toContain('none.json: cannot be read (ENOENT)');
  });

  it('says that it does not go with keys of another provider', async () => {
    const auth = '{ method: approle, mount: approle, role_id: r, secret_id_file: /run/secret }';
    const tenant =
      'customer: acme\ntenant_id: acme\nencryption:\n  provider: vault\n' +
      `  vault: { address: "https://vault.example.com", mount: transit, key_name: k, auth: ${auth} }\n`;
    const { code, stderr } = await explain('{}', { tenant });
    expect(code).toBe(78);
    expect(stderr).toContain("policy.json: is for keys of aws_kms, but this tenant's key is one of vault");
  });

  it.each([
    [[], 'the tenant names no role, so --principal has to say'],
    [['--principal', 'byok-service'], '--principal takes the ARN'],
  ])('is a mistake of the command line with %j', async (args, part) => {
    const { code, stderr } = await explain(guidePolicy('setup-guide'), { args });
    expect(code).toBe(64);
    expect(stderr).toContain(part);
  });

  it('is what --principal belongs to', async () => {
    const { code, stderr } = await commandHere(['validate', '--principal', platform, 'tenant.yaml']);
    expect(code).toBe(64);
    expect(stderr).toContain('--principal says whom a --key-policy is about');
  });
});
