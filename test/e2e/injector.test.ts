/** The injector as a process, beside a simulated API server: from its start to SIGTERM. */
import { spawn } from 'node:child_process';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AdmissionControl } from '../simulators/kubernetes/admission.ts';
import { startKubernetes } from '../simulators/kubernetes/server.ts';
import { makeAuthority } from '../support/certificates.ts';
import { freePort, temporaryFolder } from '../support/daemon.ts';
import { checkConfiguration, injectorNames, serviceHost, webhookConfiguration } from '../support/injector-world.ts';
import { podShapes } from '../support/pod-shapes.ts';
import { compileCache, testedProgram } from '../support/tested-program.ts';

const pod = podShapes[0]?.pod ?? {};

async function until(condition: () => Promise<boolean> | boolean, said: () => string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`it did not come to pass in time:\n${said()}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

interface Started {
  readonly port: number;
  readonly http: string;
  output(): string;
  ended(): boolean;
  /** Sends SIGTERM, and gives the exit code. */
  stop(): Promise<number | null>;
}

/** Starts one in `folder`, with `file` as its configuration beside its addresses. */
async function start(folder: string, file: string, env: Readonly<Record<string, string>> = {}): Promise<Started> {
  const [port, httpPort] = [await freePort(), await freePort()];
  const path = join(folder, `injector-${port}.yaml`);
  await writeFile(path, `listen: 127.0.0.1:${port}\nhttp: 127.0.0.1:${httpPort}\n${file}`);
  const child = spawn(process.execPath, [testedProgram(), 'injector', '--config', path], {
    cwd: folder,
    env: { ...compileCache(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const exit = new Promise<number | null>((done) => child.once('exit', done));
  return {
    port,
    http: `http://127.0.0.1:${httpPort}`,
    output: () => output,
    ended: () => child.exitCode !== null,
    stop() {
      child.kill('SIGTERM');
      return exit;
    },
  };
}

const status = (url: string) =>
  fetch(url).then(
    (answer) => answer.status,
    () => 0,
  );

test('two replicas make their certificates, inject pods, tell how they are, and end without a failed review', async () => {
  await using folder = await temporaryFolder();
  await using kubernetes = await startKubernetes({ minor: '28+' });
  kubernetes.configurations.create(injectorNames.webhook, webhookConfiguration());
  kubernetes.checks.create(injectorNames.webhook, checkConfiguration());
  await writeFile(join(folder.path, 'token'), `${kubernetes.token}\n`);
  await writeFile(join(folder.path, 'ca.crt'), kubernetes.ca);
  const file = `sidecar: { image: "keyproxy:0.1.0" }\ncertificates: { own: ${JSON.stringify(injectorNames)} }\n`;
  const env = {
    KUBERNETES_SERVICE_HOST: kubernetes.host,
    KUBERNETES_SERVICE_PORT: String(kubernetes.port),
    KEYPROXY_SERVICE_ACCOUNT_DIRECTORY: folder.path,
  };
  const replicas = await Promise.all([start(folder.path, file, env), start(folder.path, file, env)]);
  const said = () => replicas.map((replica) => replica.output()).join('\n');
  await until(async () => {
    const ready = await Promise.all(replicas.map(({ http }) => status(`${http}/readyz`)));
    return ready.every((code) => code === 200);
  }, said);

  let ports = replicas.map(({ port }) => port);
  const admission = new AdmissionControl({
    ...{ configurations: kubernetes.configurations, checks: kubernetes.checks, configuration: injectorNames.webhook },
    ...{ service: serviceHost, ports: () => ports },
  });
  const results = [await admission.create(pod), await admission.create(pod)];
  // The API server says that it is of 1.28, so the form is the classic one.
  for (const result of results) {
    expect(result).toMatchObject({
      kind: 'admitted',
      pod: { spec: { containers: [{ name: 'keyproxy', args: ['serve', '--from-env'] }, { name: 'app' }] } },
    });
  }
  const [first, second] = replicas;
  const [metrics, others] = await Promise.all(
    replicas.map(({ http }) => fetch(`${http}/metrics`).then((answer) => answer.text())),
  );
  const all = `${metrics}${others}`;
  for (const outcome of ['injected', 'unchanged']) {
    const counts = all.matchAll(
      new RegExp(`^keyproxy_injector_requests_total\\{outcome="${outcome}"\\} (\\d+)$`, 'gm'),
    );
    expect(counts.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(2);
  }
  const [, expiry] = /^keyproxy_injector_certificate_expiry_timestamp_seconds (\S+)$/m.exec(metrics ?? '') ?? [];
  expect(Number(expiry) - Date.now() / 1000).toBeGreaterThan(6 * 86_400);

  const ended = first?.stop();
  await until(async () => (await status(`${first?.http}/readyz`)) === 503, said);
  // What still comes in the meantime is answered, by both.
  for (let count = 0; count < 4; count++) expect((await admission.create(pod)).kind).toBe('admitted');
  ports = [second?.port ?? 0];
  expect(await ended, said()).toBe(0);
  expect(await second?.stop(), said()).toBe(0);
  expect(said()).not.toMatch(/PRIVATE KEY/);
  expect(said()).not.toContain(kubernetes.token);
});

test('certificates of others are served from their files, without an API server, and followed when they change', async () => {
  await using folder = await temporaryFolder();
  const kubernetes = await startKubernetes();
  await using _kubernetes = kubernetes;
  const put = async () => {
    const authority = await makeAuthority();
    const { cert, key } = await authority.issue({ hosts: [serviceHost] });
    await mkdir(join(folder.path, 'tls'), { recursive: true });
    for (const [name, text] of Object.entries({ 'tls.key': key, 'tls.crt': cert })) {
      await writeFile(join(folder.path, `${name}.new`), text);
      await rename(join(folder.path, `${name}.new`), join(folder.path, 'tls', name));
    }
    return Buffer.from(authority.ca).toString('base64');
  };
  const trust = (caBundle: string) => {
    const { webhooks, ...rest } = webhookConfiguration();
    const trusting = webhooks.map((webhook) => ({ ...webhook, clientConfig: { ...webhook.clientConfig, caBundle } }));
    return { ...rest, webhooks: trusting };
  };
  kubernetes.configurations.create(injectorNames.webhook, trust(await put()));
  const injector = await start(
    folder.path,
    'sidecar: { image: "keyproxy:0.1.0", native: always }\ncertificates: { files: { certificate: tls/tls.crt, key: tls/tls.key } }\n',
  );
  await until(async () => (await status(`${injector.http}/readyz`)) === 200, injector.output);
  const admission = new AdmissionControl({
    ...{ configurations: kubernetes.configurations, configuration: injectorNames.webhook },
    ...{ service: serviceHost, ports: () => [injector.port] },
  });
  expect(await admission.create(pod)).toMatchObject({ pod: { spec: { initContainers: [{ name: 'keyproxy' }] } } });
  kubernetes.configurations.update(injectorNames.webhook, trust(await put()));
  await until(() => injector.output().includes('the certificate was reloaded'), injector.output);
  expect((await admission.create(pod)).kind).toBe('admitted');
  expect(await injector.stop(), injector.output()).toBe(0);
});

test.each([
  [
    'certificates: { files: { certificate: tls.crt, key: tls.key } }',
    71,
    /the certificate cannot be used: .*tls\.key cannot be read/,
  ],
  [
    `certificates: { own: ${JSON.stringify(injectorNames)} }`,
    71,
    /cannot find the API server: KUBERNETES_SERVICE_HOST/,
  ],
  ['certificates: {}', 78, /exactly one of own and files must be there/],
])('it does not start with %s', async (certificates, code, message) => {
  await using folder = await temporaryFolder();
  const injector = await start(folder.path, `sidecar: { image: "keyproxy:0.1.0", native: always }\n${certificates}\n`);
  await until(injector.ended, injector.output);
  expect(await injector.stop()).toBe(code);
  expect(injector.output()).toMatch(message);
});

test('while no API server answers it lives, is not ready, says why, and ends when it is told to', async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'token'), 'x');
  await writeFile(join(folder.path, 'ca.crt'), (await makeAuthority()).ca);
  const injector = await start(
    folder.path,
    `sidecar: { image: "keyproxy:0.1.0" }\ncertificates: { own: ${JSON.stringify(injectorNames)} }\n`,
    {
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      KUBERNETES_SERVICE_PORT: String(await freePort()),
      KEYPROXY_SERVICE_ACCOUNT_DIRECTORY: folder.path,
    },
  );
  await until(() => injector.output().includes('the certificates could not be looked after'), injector.output);
  expect(injector.output()).toContain('ECONNREFUSED');
  expect([await status(`${injector.http}/livez`), await status(`${injector.http}/readyz`)]).toEqual([200, 503]);
  expect(await injector.stop(), injector.output()).toBe(0);
});
