/** The rules of `deploy/prometheus`, by Prometheus' own promtool. */
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/daemon.ts';
import { ruleFiles, rulesFolder } from '../support/rule-files.ts';
import { folderOf } from './ready.ts';
import { run } from './run.ts';

const folder = folderOf('prometheus');
const testsFolder = join(import.meta.dirname, 'prometheus');
const testFiles = await readdir(testsFolder);

function promtool(...args: string[]) {
  return run(join(folder ?? '', 'promtool'), args);
}

/** What of the platform's thresholds is changed, and so little that only a sharp test sees it. */
const blunted = [
  { alert: 'KeyproxyKmsConnectivity', from: '< 99.9', to: '< 99.8' },
  { alert: 'KeyproxyKmsConnectivity', from: '< 99.9', to: '< 99.93' },
  { alert: 'KeyproxyDekGenerationLatency', from: '> 1000', to: '> 3000' },
  { alert: 'KeyproxyDekGenerationLatency', from: '> 1000', to: '> 990' },
  { alert: 'KeyproxyKeyCacheHitRate', from: '< 0.8', to: '< 0.75' },
  { alert: 'KeyproxyKeyCacheHitRate', from: '< 0.8', to: '< 0.9' },
  { alert: 'KeyproxyFailedDecryptionAttempts', from: '> 0.001', to: '> 0.002' },
  { alert: 'KeyproxyFailedDecryptionAttempts', from: '> 0.001', to: '> 0.0004' },
];

describe.skipIf(folder === undefined)('promtool', () => {
  it.each(ruleFiles)('finds nothing wrong with %s', async (name) => {
    const { code, stdout, stderr } = await promtool('check', 'rules', join(rulesFolder, name));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/SUCCESS: [1-9]\d* rules found/);
  });

  it('has a file of tests for each file of rules', () => {
    expect(testFiles.toSorted()).toEqual(ruleFiles.toSorted());
  });

  it.each(testFiles)('passes the tests of %s', async (name) => {
    const { code, stdout, stderr } = await promtool('test', 'rules', join(testsFolder, name));
    expect({ code, stdout, stderr }).toMatchObject({ code: 0, stderr: '' });
    expect(stdout).toContain('SUCCESS');
  });

  it.each(blunted)('fails the tests where $alert has the threshold "$to"', async ({ alert, from, to }) => {
    await using scene = await temporaryFolder();
    const [rules, tests] = [join(scene.path, 'deploy/prometheus'), join(scene.path, 'a/b/c')];
    await cp(rulesFolder, rules, { recursive: true });
    await mkdir(tests, { recursive: true });
    const file = join(rules, 'seed.yaml');
    const [before = '', after = ''] = (await readFile(file, 'utf8')).split(`alert: ${alert}\n`);
    expect(after).toContain(from);
    await writeFile(file, `${before}alert: ${alert}\n${after.replace(from, to)}`);
    await cp(join(testsFolder, 'seed.yaml'), join(tests, 'seed.yaml'));
    const { code, stdout, stderr } = await promtool('test', 'rules', join(tests, 'seed.yaml'));
    expect(code).toBe(1);
    expect(stdout + stderr).toContain(`alertname: ${alert}`);
  });
});
