/** What the Dockerfile promises to Kubernetes, compose and the reader of its labels. Its steps run in test/third-party. */
import { describe, expect, it } from 'vitest';
import { version } from '../../../src/app/version.ts';
import { contextNames } from '../../support/image/build.ts';
import { readDockerfile, stageOf, stepsOf } from '../../support/image/dockerfile.ts';

const model = readDockerfile();
const image = stageOf(model, '');
const program = ['/nodejs/bin/node', '/opt/keyproxy/keyproxy.js'];

describe('the image', () => {
  it('begins with an image that has no shell, of the major version of Node that the program is built for', () => {
    expect(image.base).toBe('runtime');
    expect(stageOf(model, 'runtime').base).toMatch(/^gcr\.io\/distroless\/nodejs24-debian\d+:nonroot$/);
    expect(stageOf(model, 'runtime').steps).toEqual([]);
  });

  it('is built by the same major version', () => {
    expect(stageOf(model, 'build').base).toMatch(/^node:24-/);
  });

  it('runs as a user by number, who is not root', () => {
    expect(stepsOf(image, 'USER').map(({ text }) => text)).toEqual(['65532:65532']);
  });

  it('takes the command as its arguments, and its health check runs the same program with no shell', () => {
    expect(stepsOf(image, 'ENTRYPOINT').map(({ exec }) => exec)).toEqual([program]);
    expect(stepsOf(image, 'HEALTHCHECK').map(({ exec }) => exec)).toEqual([[...program, 'health']]);
    expect(stepsOf(image, 'CMD').map(({ exec }) => exec?.[0])).toEqual(['serve']);
  });

  it('runs nothing while it is put together, and adds what was built and nothing of the folder', () => {
    expect([...stepsOf(image, 'RUN'), ...stepsOf(image, 'ADD')]).toEqual([]);
    const copies = stepsOf(image, 'COPY');
    expect(copies.map(({ flags }) => flags)).toEqual(copies.map(() => ({ from: 'build', chown: '0:0' })));
    expect(copies.map(({ text }) => text.split(' ')[1])).toEqual(['/opt/keyproxy', '/opt/keyproxy/compiled']);
  });

  it('names its port and the signal that drains it', () => {
    expect(stepsOf(image, 'EXPOSE').map(({ text }) => text)).toEqual(['9464']);
    expect(stepsOf(image, 'STOPSIGNAL').map(({ text }) => text)).toEqual(['SIGTERM']);
  });

  it('is not for keys in files', () => {
    expect(stepsOf(image, 'ENV').map(({ text }) => text)).toEqual(['NODE_ENV=production']);
  });

  it('has the labels of OCI, with this version', () => {
    const [labels] = stepsOf(image, 'LABEL');
    for (const name of ['title', 'description', 'licenses', 'version', 'revision', 'source']) {
      expect(labels?.text).toContain(`org.opencontainers.image.${name}="`);
    }
    expect(stepsOf(image, 'ARG').map(({ text }) => text)).toContain(`VERSION=${version}`);
  });
});

describe('what the build sees', () => {
  it('is the program and its lockfile: no tests, no packages of this machine, no history', () => {
    expect(contextNames()).toEqual(
      expect.arrayContaining(['package.json', 'package-lock.json', '.npmrc', 'src', 'proto', 'build', 'build.ts']),
    );
    expect(contextNames()).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(?:test|node_modules|dist|\.git)$/)]),
    );
  });

  it('installs by the lockfile before it sees the sources, so that a changed source installs nothing again', () => {
    const steps = stageOf(model, 'build').steps.map(({ keyword, text }) => `${keyword} ${text}`);
    const install = steps.findIndex((step) => step.startsWith('RUN npm ci'));
    expect(steps.slice(0, install)).toContain('COPY package.json package-lock.json .npmrc ./');
    expect(steps.indexOf('COPY . .')).toBeGreaterThan(install);
  });
});
