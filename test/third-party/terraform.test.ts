/** deploy/terraform: syntax, form, names, validations, and that keyproxy loads the tenant file that comes out. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { usedOperations } from '../../src/kms/aws/permissions.ts';
import { permissions } from '../../src/kms/gcp/permissions.ts';
import { failureOf, never, operations, run as runOn, warmed } from '../contract/calls.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { commandHere } from '../support/daemon-command.ts';
import { projectRoot } from '../support/pages.ts';
import { OpenBaoWorld } from './openbao-world.ts';
import { folderOf } from './ready.ts';
import { run } from './run.ts';
import { type Samples, terraformSamples } from './terraform-samples.ts';

const checker = folderOf('hcl');
const openbao = inject('endpoints').openbao;
const cases = Object.entries(terraformSamples).map(([name, samples]) => ({
  name,
  folder: name.split(',')[0] ?? '',
  samples,
}));

interface Report {
  readonly findings: readonly string[];
  readonly outputs: Readonly<Record<string, string>>;
  readonly attributes: Readonly<Record<string, string>>;
  readonly protected: readonly string[];
}

/** Folder → what may never be destroyed, or replaced because a variable was edited: a key, and what a key goes with. */
const irreplaceable: Readonly<Record<string, readonly string[]>> = {
  aws: ['aws_kms_key.cmk'],
  azure: ['azurerm_key_vault.vault', 'azurerm_key_vault_key.cmk'],
  gcp: ['google_kms_crypto_key.cmk'],
  vault: ['vault_mount.transit', 'vault_transit_secret_backend_key.cmk'],
};

async function check(folder: string, samples: Samples): Promise<Report> {
  const { code, stdout, stderr } = await run(join(checker ?? '', 'hcl'), [folder], { input: JSON.stringify(samples) });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

function modulePath(folder: string): string {
  return join(projectRoot, 'deploy/terraform', folder);
}

function textOf(folder: string): string {
  return readFileSync(join(modulePath(folder), 'main.tf'), 'utf8');
}

describe.skipIf(checker === undefined).each(cases)('deploy/terraform/$name', ({ folder, samples }) => {
  it('is well formed, uses what it declares, takes what is right and refuses what is wrong', async () => {
    expect((await check(modulePath(folder), samples)).findings).toEqual([]);
  });

  it('refuses something in every variable that is text or a number', () => {
    const text = readFileSync(join(modulePath(folder), 'variables.tf'), 'utf8');
    const declared = [...text.matchAll(/^variable "(\w+)" \{[\s\S]*?^ {2}type += (\S+)/gm)].map(([, name, type]) => [
      name,
      type,
    ]);
    expect(declared.length).toBeGreaterThan(3);
    const free = declared.filter(([, type]) => type === 'bool' || type?.startsWith('map')).map(([name]) => name);
    const names = declared.map(([name]) => name).filter((name) => !free.includes(name));
    expect(names.sort()).toEqual(Object.keys(samples.refused).sort());
  });

  it('has Terraform refuse to destroy the key', async () => {
    expect((await check(modulePath(folder), samples)).protected).toEqual(irreplaceable[folder]);
  });

  it('gives a tenant file that keyproxy loads', async () => {
    const { outputs } = await check(modulePath(folder), samples);
    await using own = await temporaryFolder();
    const file = join(own.path, 'byok_config.yaml');
    await writeFile(file, outputs['tenant_file'] ?? '');
    expect(await commandHere(['validate', '--offline', file])).toMatchObject({ code: 0, stderr: '' });
    expect(outputs['tenant_file']).toContain(`"tenant_id": "${samples.variables['tenant_id']}"`);
  });
});

describe.skipIf(checker === undefined)('the checker', () => {
  it('finds what is wrong in a folder that is wrong', async () => {
    await using own = await temporaryFolder();
    const text = [
      'variable "unused" {',
      'type=string',
      '  default = "x"',
      '  validation {',
      '    condition     = length(var.unused) > 0',
      '    error_message = "must not be empty."',
      '  }',
      '}',
      'output "x" { value = var.missing }',
      'resource "x" "y" {',
      '  lifecycle {',
      '    precondition {',
      '      condition     = 1 > 2',
      '      error_message = "1 is less."',
      '    }',
      '  }',
      '}',
      '',
    ].join('\n');
    await writeFile(join(own.path, 'main.tf'), text);
    const { findings } = await check(own.path, { variables: {}, resources: {}, refused: { unused: ['taken'] } });
    for (const finding of [
      'main.tf is not formatted',
      'var.missing is not declared',
      'var.unused is declared and not used',
      'variable unused has no description',
      'variable unused takes "taken"',
      'x.y: 1 is less.',
    ]) {
      expect(findings).toContain(finding);
    }
  });

  it('finds text that is no configuration', async () => {
    await using own = await temporaryFolder();
    await writeFile(join(own.path, 'main.tf'), 'output "x" {\n  value = [1,\n}\n');
    const { findings } = await check(own.path, { variables: {}, resources: {}, refused: {} });
    expect(findings.join('\n')).toContain('main.tf:');
  });
});

describe('what the customer allows is what the code calls', () => {
  it('at AWS', () => {
    const use = textOf('aws').split('data "aws_iam_policy_document" "use"')[1] ?? '';
    const actions = [...use.matchAll(/"kms:(\w+)"/g)].map(([, name]) => name);
    expect(actions.sort()).toEqual([...usedOperations].sort());
  });

  it('at Google, for a symmetric key', () => {
    const roles = [...textOf('gcp').matchAll(/"(roles\/[\w.]+)"/g)].map(([, role]) => role);
    const needed = permissions.filter(({ neededBy }) => neededBy.includes('symmetric')).map(({ role }) => role);
    // The one role that is the two that are needed; and the viewer's, for exact messages.
    expect(needed.sort()).toEqual(['roles/cloudkms.cryptoKeyDecrypter', 'roles/cloudkms.cryptoKeyEncrypter']);
    expect(roles.sort()).toEqual(['roles/cloudkms.cryptoKeyEncrypterDecrypter', 'roles/cloudkms.viewer']);
  });

  it('at Azure, one role on one key', () => {
    const [, ...assignments] = textOf('azure').split('resource "azurerm_role_assignment"');
    const own = assignments.filter((text) => text.includes('var.platform_object_id'));
    expect(own).toHaveLength(1);
    expect(own[0]).toContain('"Key Vault Crypto Service Encryption User"');
    expect(own[0]).toContain('azurerm_key_vault_key.cmk.resource_versionless_id');
  });

  it.skipIf(checker === undefined)('at Vault', async () => {
    const [name = '', samples] = Object.entries(terraformSamples).find(([key]) => key.startsWith('vault')) ?? [];
    if (samples === undefined) throw new Error('there are no samples for Vault');
    const { attributes } = await check(modulePath(name.split(',')[0] ?? ''), samples);
    const rules = [
      ...(attributes['vault_policy.keyproxy.policy'] ?? '').matchAll(/path "(.+)" \{\s+capabilities = \["(.+)"\]/g),
    ];
    expect(rules.map(([, path, capability]) => `${capability} ${path}`)).toEqual([
      'update transit/encrypt/platform-cmk',
      'update transit/decrypt/platform-cmk',
      'read transit/keys/platform-cmk',
    ]);
  });
});

describe.skipIf(checker === undefined)('the login at Vault', () => {
  const roles = {
    approle: 'vault_approle_auth_backend_role.keyproxy',
    kubernetes: 'vault_kubernetes_auth_backend_role.keyproxy',
  };

  function vault(name: string, variables: Readonly<Record<string, unknown>> = {}): Promise<Report> {
    const samples = terraformSamples[`vault, ${name}`];
    if (samples === undefined) throw new Error(`there are no samples for ${name}`);
    return check(modulePath('vault'), { ...samples, variables: { ...samples.variables, ...variables } });
  }

  it("has an audience of its own for each tenant, so that one Vault's token is no good at another", async () => {
    const reports = await Promise.all(['tenant_1', 'tenant_2'].map((id) => vault('kubernetes', { tenant_id: id })));
    const audiences = reports.map(({ attributes }) => attributes[`${roles.kubernetes}.audience`]);
    expect(audiences).toEqual(['vault://tenant_1', 'vault://tenant_2']);
  });

  it('has the audience that was given', async () => {
    const { attributes } = await vault('kubernetes', { audience: 'vault://acme' });
    expect(attributes[`${roles.kubernetes}.audience`]).toBe('vault://acme');
  });

  it('by Kubernetes needs the name of a service account, and by AppRole none', async () => {
    const { findings } = await vault('kubernetes', { service_account: null });
    expect(findings).toEqual([
      expect.stringContaining(`${roles.kubernetes}: login = "kubernetes" needs service_account`),
    ]);
    expect((await vault('approle', { service_account: null })).findings).toEqual([]);
  });

  it('mounts AppRole where nobody else has it', async () => {
    const { attributes } = await vault('approle');
    expect(attributes).toMatchObject({
      'vault_auth_backend.approle.path': 'keyproxy-approle',
      [`${roles.approle}.backend`]: 'keyproxy-approle',
    });
  });

  it('mounts nothing where AppRole is there already', async () => {
    const { attributes, outputs } = await vault('approle that is there');
    expect(attributes).not.toHaveProperty(['vault_auth_backend.approle.path']);
    expect(attributes[`${roles.approle}.backend`]).toBe('apps/approle');
    expect(outputs['tenant_file']).toContain('"mount": "apps/approle"');
    expect(outputs['tenant_file']).toContain('"namespace": "platform/byok"');
  });
});

describe.skipIf(checker === undefined)('the key at Azure', () => {
  it('gets new versions, and none of them expires', async () => {
    const samples = terraformSamples['azure'];
    if (samples === undefined) throw new Error('there are no samples for Azure');
    const { attributes } = await check(modulePath('azure'), samples);
    const policy = Object.entries(attributes).filter(([name]) => name.includes('.rotation_policy.'));
    expect(policy).toEqual([['azurerm_key_vault_key.cmk.rotation_policy.automatic.time_after_creation', 'P90D']]);
    expect(attributes).not.toHaveProperty(['azurerm_key_vault_key.cmk.expiration_date']);
  });
});

describe.skipIf(checker === undefined || openbao === undefined)('the policy for Vault, on a real server', () => {
  it('is enough for all that keyproxy does with this key, and for nothing with another', async () => {
    await using world = await OpenBaoWorld.enter(openbao ?? '');
    await using key = await world.openKey();
    await using other = await world.openKey();
    const otherEntry = await warmed(other.service);
    const samples = terraformSamples['vault, approle'];
    const { attributes } = await check(modulePath('vault'), {
      variables: { ...samples?.variables, mount: world.mount },
      resources: { ...samples?.resources, 'vault_transit_secret_backend_key.cmk': { name: key.name } },
      refused: {},
    });
    await world.owner.setPolicy('keyproxy', attributes['vault_policy.keyproxy.policy'] ?? '');
    const entry = await warmed(key.service);
    for (const operation of operations) await runOn(operation, key.service, { entry, signal: never });
    for (const operation of operations) {
      const { fault } = await failureOf(runOn(operation, other.service, { entry: otherEntry, signal: never }));
      expect(fault).toMatchObject({ kind: 'refusal', reason: 'KEY_ACCESS_DENIED' });
    }
  });
});
