/** Files with a secret where none belongs: at every kind of place, in a daemon's file, a tenant's and a policy. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { vi } from 'vitest';
import { commandHere } from './daemon-command.ts';
import { type LeakScene, sent } from './leak-scene.ts';
import type { Sinks } from './leak-sinks.ts';

const secret = sent.misplaced.text;

/** In the place of a value of each type, as a value and as the name of an unknown key, and in what is no YAML. */
const daemonFiles = [
  `environment: "${secret} "\nlisten: ${secret}\nhttp: { address: ${secret} }\ntenants: ${secret}\n`,
  `environment: test\ntenants: { directory: tenants }\nclient_secret: ${secret}\n${secret}: true\n`,
  `tenants: { directory: tenants }\ncache: { max_bytes: ${secret} }\nlimits: { max_message_bytes: ${secret} }\n`,
  `tenants: { directory: tenants }\nlisten: [{ unix: a, mode: ${secret}, transport: ${secret}, identity: ${secret} }]\n`,
  `tenants: { directory: tenants }\naudit: { path: [${secret}], on_failure: ${secret}, max_file_bytes: ${secret} }\n`,
  `tenants: { directory: tenants }\nlog: { level: ${secret} }\naws: { sts_endpoint: "https://u:${secret}@x" }\n`,
  `tenants: { directory: tenants }\nidentity: { token: { issuer: "${secret} x", jwks_uri: "https://u:${secret}@x" } }\n`,
  `tenants: { directory: tenants }\nsegregation: { "${secret}": { key_prefix: "${secret}!", required_tags: ${secret} } }\n`,
  `tenants: { directory: tenants }\ntrusted_endpoints: ["https://u:${secret}@x"]\nstate: ${secret}\n`,
  `tenants: { directory: tenants\n${secret}: [ *${secret}\n  - !${secret} x`,
];

const tenantFiles = [
  `customer: x\ntenant_id: "${secret} "\nencryption: { provider: ${secret} }\n`,
  `customer: x\ntenant_id: x\nencryption: { provider: aws_kms, aws_kms: { key_arn: ${secret}, secret_key: ${secret} } }\n`,
  `customer: x\ntenant_id: x\nencryption:\n  provider: azure_kv\n  azure_kv: { vault_url: "https://u:${secret}@x", client_secret_file: "", key_name: "${secret}_", credential: ${secret} }\n`,
  `customer: x\ntenant_id: x\nencryption:\n  provider: vault\n  vault: { address: "https://x", key_name: "${secret} ", auth: { method: ${secret}, secret_id: ${secret} } }\n`,
  `customer: x\ntenant_id: x\nencryption: { provider: gcp_kms, gcp_kms: { key_name: ${secret}, impersonate: ${secret} } }\n`,
  `customer: x\ntenant_id: x\nencryption: { provider: local, cache_config: { ttl_seconds: ${secret} } }\n${secret}: x\n`,
  `customer: "${secret}\n  tenant_id: &a ${secret}\n *a : ${secret}`,
];

const policies = [
  `rules:\n  - { callers: [${secret}], tenants: ["*"], operations: ["*"] }\n`,
  `rules:\n  - { callers: [socket], tenants: ["${secret} "], operations: [${secret}] }\n`,
  `rules:\n  - { callers: [socket], tenants: ["*"], operations: ["*"], token: ${secret} }\n${secret}: 1\n`,
  `rules: ${secret}\n`,
  `rules: [ {callers: *${secret} }`,
];

/** What the commands say of such files. */
export async function tellBadFiles({ folder }: LeakScene, sinks: Sinks): Promise<void> {
  const write = async (names: string, texts: readonly string[]) => {
    const files = texts.map((_, index) => `${names}-${index}.txt`);
    await Promise.all(texts.map((text, index) => writeFile(join(folder.path, files[index] ?? ''), text)));
    return files;
  };
  const [daemons, tenants, rules] = await Promise.all([
    write('daemon', daemonFiles),
    write('tenant', tenantFiles),
    write('policy', policies),
  ]);
  await Promise.all(
    [
      ...daemons.map((file) => ['serve', '--config', file]),
      ['validate', '--offline', ...tenants],
      ...rules.map((file) => ['access', 'test', '--policy', file, 'socket', 'x', 'decrypt']),
    ].map(async (args) => {
      const { code, stdout, stderr } = await commandHere(args, { cwd: folder.path });
      if (code === 0) throw new Error(`keyproxy ${args.join(' ')} has nothing against a bad file`);
      sinks.add('commands', `${stdout}\n${stderr}`);
    }),
  );
}

/** What a daemon says of files that turn bad while it runs. */
export async function turnFilesBad({ folder, daemon }: LeakScene): Promise<void> {
  await Promise.all([
    ...tenantFiles.map((text, index) => writeFile(join(folder.tenants, `bad-${index}.yaml`), text)),
    writeFile(join(folder.path, 'policy.yaml'), policies[2] ?? ''),
  ]);
  await vi.waitFor(
    () => {
      const output = daemon.output();
      const isTold =
        output.includes('the policy file was not taken') && output.includes(`bad-${tenantFiles.length - 1}.yaml`);
      if (!isTold) throw new Error('the daemon has not told of the files');
    },
    { timeout: 20_000, interval: 100 },
  );
}
