/**
 * Keys that cannot be used, in each cloud: a caller gets one sentence with the next step, the log gets the provider's
 * own code. Nothing secret, and none of the provider's own text, is in either.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Fault } from '../simulators/http/fault.ts';
import { connect, type KeyProxyClient } from '../support/client.ts';
import { toldBy } from '../support/client-errors.ts';
import { type CloudKey, type Clouds, cloudFolder, startCloudDaemon, startClouds } from '../support/clouds.ts';
import type { Daemon } from '../support/daemon.ts';

type Provider = CloudKey['provider'];

interface Case {
  readonly provider: Provider;
  /** What is wrong, as a tenant's name. */
  readonly what: string;
  /** The kind of key, by its service's own name. */
  readonly kind?: string;
  /** Does to key and services what is wrong. */
  readonly arrange?: (clouds: Clouds, key: CloudKey) => void;
  /** What is wrong in the file. */
  readonly block?: (block: string, clouds: Clouds) => string;
  readonly reason: string;
  /** What the next step has to name. */
  readonly advice: RegExp;
  /** Where the service said yes, and what it told is what is wrong: then there is no code of its own. */
  readonly isOwnFinding?: true;
}

const page: Fault = { kind: 'html', status: 200 };
const roleArn = 'arn:aws:iam::123456789012:role/nobody-made-this';

const aws: Omit<Case, 'provider'>[] = [
  { what: 'disabled', arrange: (_, key) => key.disable(), reason: 'KEY_DISABLED', advice: /enable the key/ },
  { what: 'deleted', arrange: (_, key) => key.remove(), reason: 'KEY_PENDING_DELETION', advice: /cancel the deletion/ },
  { what: 'wrong-type', kind: 'ECC_NIST_P256', reason: 'KEY_UNSUITABLE', advice: /symmetric key/, isOwnFinding: true },
  {
    what: 'wrong-region',
    block: (block) => block.replace('us-east-1', 'eu-west-3'),
    reason: 'KEY_NOT_FOUND',
    advice: /account and region/,
  },
  {
    what: 'no-such-role',
    block: (block) => block.replace('}', `, role_arn: "${roleArn}", external_id: keyproxy-1 }`),
    reason: 'ROLE_DENIED',
    advice: /role exists.*trust policy.*external_id/,
  },
  {
    what: 'untrusted-certificate',
    block: (block, { aws: { endpoint }, vault }) => block.replace(endpoint, vault.address),
    reason: 'KEY_SERVICE_UNAVAILABLE',
    advice: /certificate/,
  },
];

const azure: Omit<Case, 'provider'>[] = [
  { what: 'disabled', arrange: (_, key) => key.disable(), reason: 'KEY_DISABLED', advice: /state/, isOwnFinding: true },
  { what: 'deleted', arrange: (_, key) => key.remove(), reason: 'KEY_PENDING_DELETION', advice: /recover/ },
  { what: 'wrong-type', kind: 'EC-HSM', reason: 'KEY_UNSUITABLE', advice: /RSA-HSM/, isOwnFinding: true },
  {
    what: 'wrong-directory',
    block: (block) => block.replace(/tenant: [^,]+/, 'tenant: 00000000-1111-2222-3333-444444444444'),
    reason: 'KEY_SERVICE_MISCONFIGURED',
    advice: /tenant/,
  },
  {
    what: 'untrusted-certificate',
    block: (block, { azure: { vaultUrl }, vault }) => block.replace(vaultUrl, vault.address),
    reason: 'KEY_SERVICE_UNAVAILABLE',
    advice: /certificate/,
  },
];

const gcp: Omit<Case, 'provider'>[] = [
  { what: 'disabled', arrange: (_, key) => key.disable(), reason: 'KEY_DISABLED', advice: /enable/ },
  { what: 'deleted', arrange: (_, key) => key.remove(), reason: 'KEY_PENDING_DELETION', advice: /restore/ },
  {
    what: 'wrong-type',
    kind: 'EC_SIGN_P256_SHA256',
    reason: 'KEY_UNSUITABLE',
    advice: /ENCRYPT_DECRYPT|symmetric/,
    isOwnFinding: true,
  },
  {
    what: 'wrong-region',
    block: (block) => block.replace('europe-west1', 'us-central1'),
    // Google says no more to somebody who may see nothing there.
    reason: 'KEY_ACCESS_DENIED',
    advice: /on the key/,
  },
  {
    what: 'untrusted-certificate',
    block: (block, { gcp: { endpoint }, vault }) => block.replace(endpoint, vault.address),
    reason: 'KEY_SERVICE_UNAVAILABLE',
    advice: /certificate/,
  },
];

const vault: Omit<Case, 'provider'>[] = [
  { what: 'no-policy', arrange: (_, key) => key.disable(), reason: 'KEY_ACCESS_DENIED', advice: /policy/ },
  { what: 'deleted', arrange: (_, key) => key.remove(), reason: 'KEY_NOT_FOUND', advice: /key_name/ },
  { what: 'wrong-type', kind: 'ecdsa-p256', reason: 'KEY_UNSUITABLE', advice: /aes256-gcm96/ },
  {
    what: 'wrong-mount',
    block: (block) => block.replace('keys/transit', 'keys/transport'),
    // A policy that names paths says nothing of a mount that is not there.
    reason: 'KEY_ACCESS_DENIED',
    advice: /policy/,
  },
  {
    what: 'used-up-secret-id',
    block: (block) => block.replace(/secret_id_file: "[^"]+"/, 'secret_id_file: "../cmk.key.used"'),
    reason: 'ROLE_DENIED',
    advice: /secret_id_file/,
  },
  {
    what: 'untrusted-certificate',
    block: (block) => block.replace(/ca_file: "[^"]+", /, ''),
    reason: 'KEY_SERVICE_UNAVAILABLE',
    advice: /ca_file/,
  },
];

function of(provider: Provider, list: readonly Omit<Case, 'provider'>[]): Case[] {
  const proxied: Omit<Case, 'provider'> = {
    what: 'proxy-page',
    arrange: (clouds, key) => answerWithPage(clouds, provider, key),
    reason: 'KEY_SERVICE_UNAVAILABLE',
    advice: /proxies|a proxy in between/,
  };
  return [...list, proxied].map((each) => ({ ...each, provider }));
}

function answerWithPage(clouds: Clouds, provider: Provider, key: CloudKey): void {
  const name = /(?:key_name: |key_arn: ")([^\s,"]+)/.exec(key.block)?.[1] ?? '';
  if (provider === 'aws_kms') clouds.aws.faults.add({ keyArn: name, fault: page });
  else if (provider === 'azure_kv') clouds.azure.faults.add({ service: 'vault', key: name, fault: page });
  else if (provider === 'gcp_kms') clouds.gcp.faults.add({ service: 'kms', key: name, fault: page });
  else clouds.vault.faults.add({ key: name, fault: page });
}

const cases = [...of('aws_kms', aws), ...of('azure_kv', azure), ...of('gcp_kms', gcp), ...of('vault', vault)];
const idOf = ({ provider, what }: Case) => `${provider}-${what}`;

const stack = new AsyncDisposableStack();
let daemon: Daemon;
let client: KeyProxyClient;

beforeAll(async () => {
  const clouds = stack.use(await startClouds());
  const tenants = cases.map((each): [string, string] => {
    const { provider, kind, block = (text) => text, arrange } = each;
    const key = clouds.make[provider](kind);
    arrange?.(clouds, key);
    return [
      idOf(each),
      `provider: ${provider}\n${provider}: ${block(key.block, clouds)}\nlimits: { kms_timeout_ms: 5000 }`,
    ];
  });
  const folder = stack.use(await cloudFolder(clouds, Object.fromEntries(tenants)));
  await folder.write('cmk.key.used', 'a-secret-id-that-is-used-up');
  daemon = stack.use(await startCloudDaemon(clouds, folder));
  client = stack.use(connect(daemon.socket));
});
afterAll(() => stack.disposeAsync());

describe.each(['aws_kms', 'azure_kv', 'gcp_kms', 'vault'] as const)(
  'a key at %s is refused with the next step',
  (provider) => {
    test.each(cases.filter((each) => each.provider === provider).map((each) => [each.what, each] as const))(
      '%s',
      async (_, each) => {
        const error = await client.error('GenerateDEK', {
          tenant_id: idOf(each),
          encryption_context: { purpose: 'orders' },
        });
        const told = toldBy(error);
        expect(told).toMatchObject({ reason: each.reason, metadata: { provider } });
        expect(told.message).toMatch(each.advice);
        expect(told.message).not.toMatch(/[\n<>]|a-secret-id/);
        const lines = () =>
          daemon
            .output()
            .split('\n')
            .filter((line) => line.includes(`"${idOf(each)}"`));
        if (each.isOwnFinding !== true) {
          await expect.poll(() => lines().some((line) => JSON.parse(line).provider_code !== undefined)).toBe(true);
        }
        expect(lines().join('\n')).not.toMatch(/a-secret-id|<html/);
      },
    );
  },
);
