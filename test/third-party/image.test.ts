/** The image: built by its own steps in roots of its own, and started as Kubernetes starts it. No engine is needed. */
import { readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import { awsTenant } from '../support/aws-tenant.ts';
import { connect } from '../support/client.ts';
import { type BuiltImage, buildImage, filesOf } from '../support/image/build.ts';
import { runInside, whyNoRoots } from '../support/image/root.ts';
import { healthAlone, type RunningImage, startImage } from '../support/image/start.ts';
import { folderOf } from './ready.ts';
import { run } from './run.ts';

const buildMs = 10 * 60_000;
const linter = folderOf('hadolint');

it.skipIf(linter === undefined)('hadolint finds nothing in the Dockerfile', async () => {
  const file = join(import.meta.dirname, '../../Dockerfile');
  expect(await run(join(linter ?? '', 'bin/hadolint'), [file])).toEqual({ code: 0, stdout: '', stderr: '' });
  const { code, stdout } = await run(join(linter ?? '', 'bin/hadolint'), ['-'], {
    input: 'FROM node:latest\nRUN cd /x\n',
  });
  expect([code, stdout]).toEqual([1, expect.stringContaining('DL3007')]);
});

describe.skipIf(whyNoRoots !== undefined)(`the image (${whyNoRoots ?? 'built here'})`, () => {
  let image: BuiltImage;
  let aws: AwsSimulator;
  let config: string;
  let env: Record<string, string>;

  beforeAll(async () => {
    image = await buildImage();
    aws = await startAwsSimulator();
    config = await mkdtemp(join(tmpdir(), 'keyproxy-image-config-'));
    await writeFile(
      join(config, 'keyproxy.yaml'),
      `tenants: { directory: tenants }\ntrusted_endpoints: ["${aws.endpoint}"]\n`,
    );
    await mkdir(join(config, 'tenants'));
    await writeFile(join(config, 'tenants/acme.yaml'), awsTenant(aws, { id: 'acme', keyArn: aws.createKey().arn }));
    env = { AWS_ACCESS_KEY_ID: aws.platform.accessKeyId, AWS_SECRET_ACCESS_KEY: aws.platform.secretAccessKey };
  }, buildMs);

  afterAll(async () => {
    await image[Symbol.asyncDispose]();
    await aws[Symbol.asyncDispose]();
    await rm(config, { recursive: true, force: true });
  });

  it('adds the bundle, its papers, its one native module and compiled code, and nothing else', async () => {
    const added = (await Promise.all(image.layers.map(({ folder }) => filesOf(folder)))).flat();
    const kinds = [
      /^\/opt\/keyproxy\/(?:keyproxy\.js|package\.json|sbom\.cdx\.json|THIRD-PARTY-LICENSES\.txt|proto\/descriptors\.binpb)$/,
      /^\/opt\/keyproxy\/chunks\/[\w.-]+\.js(?:\.LEGAL\.txt)?$/,
      /^\/opt\/keyproxy\/node_modules\/(?:koffi|@koromix\/koffi-linux-[\w-]+)\/(?:LICENSE|.+\/LICENSE|.+\.(?:c?js|json|node|txt))$/,
      /^\/opt\/keyproxy\/compiled\/v24\.[\w.-]+-65532\/[0-9a-f]+$/,
    ];
    expect(kinds.map((kind) => added.some((name) => kind.test(name)))).toEqual(kinds.map(() => true));
    expect(added.filter((name) => !kinds.some((kind) => kind.test(name)))).toEqual([]);
  });

  it("has no file that the image's user owns or could change", async () => {
    for (const { folder } of image.layers) {
      for (const name of await filesOf(folder)) {
        const { uid, mode } = statSync(join(folder, name));
        expect({ name, uid, writable: mode & 0o022, readable: mode & 0o004 }).toEqual({
          ...{ name, uid: 0, writable: 0, readable: 0o004 },
        });
      }
    }
  });

  it('has no shell and no program but Node', async () => {
    const inside = { root: image.root, mounts: image.mounts, readOnly: true, user: '65532:65532', env: {} };
    for (const program of ['sh', '/bin/sh', '/usr/bin/env', 'busybox']) {
      expect((await runInside(inside, [program])).code).toBe(127);
    }
    expect((await runInside(inside, ['/nodejs/bin/node', '--version'])).stdout).toMatch(/^v24\./);
  });

  it('fails its health check where nobody serves', async () => {
    expect(await healthAlone(image)).toBe(1);
  });

  describe('started', () => {
    let running: RunningImage;
    beforeAll(async () => {
      running = await startImage(image, { config, env });
    });
    afterAll(() => running[Symbol.asyncDispose]());

    it('is another user without any capability, on a root that cannot be written', () => {
      const status = readFileSync(`/proc/${running.pid}/status`, 'utf8');
      expect(status).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m);
      expect(status).toMatch(/^CapEff:\t0+$/m);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
      const root = readFileSync(`/proc/${running.pid}/mountinfo`, 'utf8')
        .split('\n')
        .map((line) => line.split(' '))
        .filter(([, , , , at]) => at === '/');
      expect(root.at(-1)?.[5]?.split(',')).toContain('ro');
    });

    it('is hardened, and may write to the folder of its socket alone', () => {
      expect(running.said()).toContain('"writable":["/run/keyproxy"],"msg":"the process is hardened"');
      expect(running.said()).not.toContain('not in force');
    });

    it('passes its health check', async () => {
      expect(await running.health()).toMatchObject({ code: 0, stderr: '' });
    });

    it('serves a tenant of AWS over the socket', async () => {
      using client = connect(running.socket);
      const request = { tenant_id: 'acme', encryption_context: { purpose: 'orders' } };
      const plaintext = Buffer.from('one record');
      const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', { ...request, plaintext });
      expect(await client.call('Decrypt', { ...request, ciphertext })).toMatchObject({ plaintext });
    });
  });

  it('ends with 0 at its stop signal', async () => {
    await using running = await startImage(image, { config, env });
    expect(await running.stop()).toBe(0);
  });

  it('takes arguments in place of its own command', async () => {
    const args = ['serve', '--no-hardening', '--config', '/etc/keyproxy/keyproxy.yaml'];
    await using running = await startImage(image, { config, env, args });
    expect(running.said()).toContain('HARDENING IS OFF');
  });

  it.each([
    ['unhardened', []],
    ['under the permission model', ['--permission', '--allow-fs-read=*', '--allow-fs-write=/opt/keyproxy/compiled/*']],
  ])('takes what was compiled ahead, %s', async (_, flags) => {
    const inside = { root: image.root, mounts: image.mounts, readOnly: true, user: '65532:65532' };
    const command = ['/nodejs/bin/node', ...flags, '/opt/keyproxy/keyproxy.js', 'serve', '--help'];
    const { code, stderr, stdout } = await runInside(
      { ...inside, env: { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' } },
      command,
    );
    expect(code).toBe(0);
    const said = `${stdout}${stderr}`;
    expect(said).toMatch(/was accepted/);
    expect(said).not.toMatch(/no such file|denied|rejected|was not initialized/);
  });
});
