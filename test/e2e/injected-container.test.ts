/** The daemon as an injected container starts it: these arguments, these variables, and folders where its mounts are. */
import { spawn } from 'node:child_process';
import { appendFile, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { decide } from '../../src/injector/inject.ts';
import { startAwsSimulator } from '../simulators/aws/server.ts';
import { connect } from '../support/client.ts';
import { freePort, temporaryFolder } from '../support/daemon.ts';
import { podSettings } from '../support/pod-shapes.ts';
import { compileCache, testedProgram } from '../support/tested-program.ts';

interface Container {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly startupProbe: { readonly httpGet: { readonly path: string; readonly port: number } };
}

/** keyproxy's container in a pod that asks for it with these annotations. */
function injectedContainer(annotations: Readonly<Record<string, string>>, httpPort: number): Container {
  const pod = {
    metadata: { labels: { 'keyproxy.io/inject': 'true' }, annotations },
    spec: { containers: [{ name: 'app' }] },
  };
  const decision = decide(pod, { ...podSettings, httpPort });
  if (decision.kind !== 'injected') throw new Error('the pod was not injected');
  const added = decision.patch.find(({ path }) => path === '/spec/initContainers')?.value as readonly [Container];
  return JSON.parse(JSON.stringify(added[0]));
}

test('the container of an injected pod serves its tenants, and those alone, on a socket that everybody may open', async () => {
  await using aws = await startAwsSimulator();
  await using folder = await temporaryFolder();
  const httpPort = await freePort();
  const container = injectedContainer({ 'keyproxy.io/tenants': 'acme' }, httpPort);

  const places = container.volumeMounts.map(({ name, mountPath }) => [mountPath, join(folder.path, name)] as const);
  for (const [, place] of places) await mkdir(place);
  const here = (value: string) => places.reduce((text, [path, place]) => text.replace(path, place), value);
  const fileOf = (id: string) => join(here('/etc/keyproxy/tenants'), `${id}.yaml`);
  for (const id of ['globex', 'acme']) {
    const { arn } = aws.createKey({ region: 'us-east-1' });
    const key = `{ provider: aws_kms, aws_kms: { key_arn: "${arn}" } }`;
    await writeFile(fileOf(id), `{ customer: ${id}, tenant_id: ${id}, encryption: ${key} }\n`);
  }

  const { accessKeyId, secretAccessKey } = aws.platform;
  const child = spawn(process.execPath, [testedProgram(), ...container.args], {
    cwd: '/',
    env: {
      ...compileCache(),
      ...Object.fromEntries(container.env.map(({ name, value }) => [name, here(value)])),
      // What a webhook for credentials puts beside them, and what leads to the simulator.
      ...{ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
      AWS_ENDPOINT_URL_KMS: aws.endpoint,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const ended = new Promise<number | null>((done) => child.once('exit', done));
  try {
    const { path, port } = container.startupProbe.httpGet;
    await untilReady(
      `http://127.0.0.1:${port}${path}`,
      () => child.exitCode,
      () => output,
    );
    const socket = here('/run/keyproxy/keyproxy.sock');
    expect((await stat(socket)).mode & 0o777).toBe(0o666);
    using client = connect(`unix:${socket}`, {});
    const secret = Buffer.from('order 17');
    const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', {
      tenant_id: 'acme',
      plaintext: secret,
    });
    const { plaintext } = await client.call<{ plaintext: Buffer }>('Decrypt', { tenant_id: 'acme', ciphertext });
    expect(plaintext).toEqual(secret);
    expect((await client.error('Encrypt', { tenant_id: 'globex', plaintext: secret })).details).toMatch(/tenant/);
    expect(output).toContain('the process is hardened');

    // A change of the ConfigMap reaches the tenants that are served, and brings no others.
    for (const id of ['globex', 'acme']) await appendFile(fileOf(id), '# changed\n');
    await until(
      () => output.includes('tenants were reloaded'),
      () => output,
    );
    expect(output).toMatch(/"changed":\["acme"\].*tenants were reloaded/);
    expect((await client.error('Encrypt', { tenant_id: 'globex', plaintext: secret })).details).toMatch(/tenant/);
  } finally {
    child.kill('SIGTERM');
    expect(await ended, output).toBe(0);
  }
});

async function until(condition: () => boolean, output: () => string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`it did not come to pass in time:\n${output()}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

async function untilReady(url: string, exitCode: () => number | null, output: () => string): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    if (exitCode() !== null || Date.now() > deadline) throw new Error(`it was not ready in time:\n${output()}`);
    const status = await fetch(url).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status === 200) return;
    await new Promise((done) => setTimeout(done, 20));
  }
}
