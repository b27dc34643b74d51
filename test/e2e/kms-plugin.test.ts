/** The KMS plugin as a process, over its socket, as kube-apiserver calls it by the upstream proto. */
import { randomBytes } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status as codes } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startAwsSimulator } from '../simulators/aws/server.ts';
import { commandHere } from '../support/daemon-command.ts';
import {
  awsKmsNode,
  connectKms,
  type Encrypted,
  type KmsNode,
  kmsNode,
  localClusterKeys,
  shortFolder,
} from '../support/kms-plugin.ts';

let root: string;
let keys: Map<string, string>;
beforeAll(async () => {
  root = await shortFolder();
  keys = await localClusterKeys(root, ['a', 'b']);
});
afterAll(() => rm(root, { recursive: true, force: true }));

const keyOf = (name: string): string => keys.get(name) ?? '';
/** The tenant's file with key `name`, and `retired` to be read still. */
const withRetired = (name: string, retired: string): string => {
  const block = /local: (.*)/.exec(keyOf(retired))?.[1] ?? '';
  return `${keyOf(name)}  retired:\n    - { provider: local, local: ${block} }\n`;
};
const node = (): Promise<KmsNode> => kmsNode(root, { tenant: keyOf('a') });

test('a plugin keeps seeds over a change of its key, a kill and a restart, and another node opens them', async () => {
  const [one, two] = [await node(), await node()];
  const seed = randomBytes(32);
  const given: Encrypted[] = [];
  {
    await using plugin = await one.start();
    using kms = connectKms(plugin.socket);
    const status = await kms.status();
    expect(status).toEqual({ version: 'v2', healthz: 'ok', key_id: expect.stringMatching(/^kp1\.[0-9a-f]{32}\.1$/) });
    const kept = await kms.encrypt(seed);
    given.push(kept);
    expect(kept.key_id).toBe(status.key_id);
    expect(kept.ciphertext.length).toBe(72);
    expect(Object.keys(kept.annotations)).toEqual(['message-header.kms-plugin.keyproxy.io']);
    expect(await kms.decrypt(kept)).toEqual(seed);
    const { code, details } = await kms.refused(kms.decrypt({ ...kept, key_id: `${kept.key_id}0` }));
    expect({ code, details }).toEqual({ code: codes.INVALID_ARGUMENT, details: 'decryption failed' });
    expect((await stat(join(one.path, 'kms.sock'))).mode & 0o777).toBe(0o600);
    const metrics = await (await fetch(`${plugin.http}/metrics`)).text();
    expect(metrics).toMatch(
      /grpc_server_handled_total\{grpc_service="v2.KeyManagementService",grpc_method="Decrypt",[^}]*"OK"\} 1/,
    );

    expect(metrics).toMatch(/^keyproxy_kms_plugin_healthy 1$/m);
    await one.tenant(keyOf('b').replace('cluster-1', 'cluster-2'));
    await untilSaid(plugin, 'is another tenant, and what was encrypted before is bound to the one that it was');
    expect((await kms.status()).key_id).toBe(kept.key_id);
    await one.tenant(withRetired('b', 'a'));
    const { key_id: next } = await kms.until(({ key_id }) => key_id !== kept.key_id);
    given.push(await kms.encrypt(seed));
    expect(given[1]?.key_id).toBe(next);
    const ended = audited(plugin.output());
    expect(ended).toEqual(['encrypt ok', 'decrypt ok', 'decrypt failed', 'encrypt ok']);
    expect(plugin.output()).not.toContain(seed.toString('hex'));
    // What is killed leaves its socket: the next one takes its place.
    plugin.process.kill('SIGKILL');
  }
  await two.tenant(withRetired('b', 'a'));
  await using restarted = await one.start();
  await using other = await two.start();
  for (const plugin of [restarted, other]) {
    using kms = connectKms(plugin.socket);
    expect((await kms.status()).key_id).toBe(given[1]?.key_id);
    for (const kept of given) expect(await kms.decrypt(kept)).toEqual(seed);
  }
  expect(await restarted.stop()).toBe(0);
  const file = join(one.path, 'state/key-ids.json');
  await writeFile(file, (await readFile(file, 'utf8')).slice(0, -9));
  const { code, stderr } = await commandHere(['kms-plugin', '--config', 'kms-plugin.yaml'], { cwd: one.path });
  expect(code).toBe(71);
  expect(stderr).toContain('copy the file of another control-plane node, or delete it and raise generation');
});

test('a refusal of the customer is heard within the interval, and nothing opens', async () => {
  await using aws = await startAwsSimulator();
  const key = aws.createKey();
  const { place, env } = await awsKmsNode(root, aws, key.arn);
  await using plugin = await place.start(env);
  using kms = connectKms(plugin.socket);
  const kept = await kms.encrypt(randomBytes(32));
  await kms.decrypt(kept);
  key.disable();
  const status = await kms.until(({ healthz }) => healthz !== 'ok');
  expect(status).toEqual({
    ...{ version: 'v2', key_id: kept.key_id },
    healthz: expect.stringMatching(/^KEY_DISABLED: the tenant's key is disabled/),
  });
  for (const call of [() => kms.decrypt(kept), () => kms.encrypt(randomBytes(32))]) {
    const { code, details } = await kms.refused(call());
    expect(code).toBe(codes.FAILED_PRECONDITION);
    expect(details).toMatch(/^the tenant's key is disabled/);
  }
});

/** The operations that the audit tells of, with their outcomes. */
function audited(output: string): string[] {
  const lines = output.split('\n').filter((line) => /"phase":"(?:end|call)"/.test(line));
  return lines.map((line) => JSON.parse(line)).map(({ operation, outcome }) => `${operation} ${outcome}`);
}

async function untilSaid(plugin: { output(): string }, text: string): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end; ) {
    if (plugin.output().includes(text)) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`it did not say: ${text}\n${plugin.output()}`);
}
