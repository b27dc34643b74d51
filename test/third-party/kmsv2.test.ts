/**
 * kube-apiserver's own code against the KMS plugin, with the EncryptionConfiguration that deploy/kms-plugin has: what it
 * stores it loads again, cold, after every change of the key; and what it does while the customer refuses.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAwsSimulator } from '../simulators/aws/server.ts';
import { awsKmsNode, connectKms, kmsNode, localClusterKeys, shortFolder } from '../support/kms-plugin.ts';
import { folderOf } from './ready.ts';

const folder = folderOf('kmsv2');
const sample = resolve(import.meta.dirname, '../../deploy/kms-plugin/encryption-configuration.yaml');

interface Answer {
  readonly stored?: string;
  readonly keyID?: string;
  readonly text?: string;
  readonly stale?: boolean;
  readonly error?: string;
}

/** kube-apiserver's code in a process; each is one that has just started. */
class ApiServer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  #said = '';

  constructor(configuration: string) {
    this.#child = spawn(join(folder ?? '', 'kmsv2'), [configuration], { stdio: ['pipe', 'pipe', 'pipe'] });
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new Error('it has no output');
    stderr.on('data', (text) => {
      this.#said += text;
    });
    this.#answers = createInterface(stdout)[Symbol.asyncIterator]();
  }

  async ask(line: string): Promise<Answer> {
    this.#child.stdin?.write(`${line}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error(`it ended: ${this.#said}`);
    return JSON.parse(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((done) => this.#child.once('exit', done));
    this.#child.kill('SIGKILL');
    await ended;
  }
}

describe.skipIf(folder === undefined)("kube-apiserver's own code", () => {
  let root: string;
  beforeAll(async () => {
    root = await shortFolder();
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  async function configurationFor(path: string): Promise<string> {
    const file = join(path, 'encryption-configuration.yaml');
    const text = await readFile(sample, 'utf8');
    expect(text).toContain('unix:///run/keyproxy-kms/kms.sock');
    await writeFile(file, text.replace('/run/keyproxy-kms/kms.sock', join(path, 'kms.sock')));
    return file;
  }

  it('stores and loads over A, B and A again, each time cold, and knows what is to be written again', async () => {
    const keys = await localClusterKeys(root, ['a', 'b']);
    const retired = (name: string, other: string) =>
      `${keys.get(name)}  retired: [{ provider: local, local: { key_name: ${other}, key_file: ${root}/${other}.key } }]\n`;
    const place = await kmsNode(root, { tenant: retired('a', 'b') });
    const configuration = await configurationFor(place.path);
    await using plugin = await place.start();
    using kms = connectKms(plugin.socket);
    const kept: { text: string; stored: string; keyID: string }[] = [];
    for (const [turn, tenant] of [retired('a', 'b'), retired('b', 'a'), retired('a', 'b')].entries()) {
      await place.tenant(tenant);
      if (turn > 0) await kms.until(({ key_id }) => key_id !== kept.at(-1)?.keyID);
      await using server = new ApiServer(configuration);
      expect(await server.ask('health')).toEqual({});
      const text = `password-${turn}`;
      const { stored = '', keyID = '' } = await server.ask(`store ${text}`);
      expect(Buffer.from(stored, 'base64').subarray(0, 24).toString()).toBe('k8s:enc:kms:v2:keyproxy:');
      expect(Buffer.from(stored, 'base64').includes(text)).toBe(false);
      for (const before of kept) {
        expect(await server.ask(`load ${before.stored}`)).toEqual({ text: before.text, stale: true });
      }
      expect(await server.ask(`load ${stored}`)).toEqual({ text, stale: false });
      kept.push({ text, stored, keyID });
    }
    expect(new Set(kept.map(({ keyID }) => keyID)).size).toBe(3);
    await using cold = new ApiServer(configuration);
    for (const [turn, { text, stored }] of kept.entries()) {
      expect(await cold.ask(`load ${stored}`)).toEqual({ text, stale: turn < 2 });
    }
  });

  it('is unhealthy while the customer refuses; one that starts then opens nothing, one that ran goes on with what it has', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    const { place, env } = await awsKmsNode(root, aws, key.arn);
    const configuration = await configurationFor(place.path);
    await using plugin = await place.start(env);
    using kms = connectKms(plugin.socket);
    await using server = new ApiServer(configuration);
    const { stored = '' } = await server.ask('store password');
    key.disable();
    await kms.until(({ healthz }) => healthz !== 'ok');
    // It looks again when its last good answer is 20 s old.
    await sleep(20_500);
    expect((await server.ask('health')).error).toMatch(/got unexpected healthz status: KEY_DISABLED: the tenant's key/);
    expect(await server.ask(`load ${stored}`)).toEqual({ text: 'password', stale: false });
    expect((await server.ask('store another')).error).toBeUndefined();
    {
      await using cold = new ApiServer(configuration);
      expect((await cold.ask('health')).error).toContain('KEY_DISABLED');
      expect((await cold.ask(`load ${stored}`)).error).toBeDefined();
      expect((await cold.ask('store another')).error).toBeDefined();
    }
    key.enable();
    await kms.until(({ healthz }) => healthz === 'ok');
    await using again = new ApiServer(configuration);
    expect(await again.ask('health')).toEqual({});
    expect(await again.ask(`load ${stored}`)).toEqual({ text: 'password', stale: false });
  });
});
