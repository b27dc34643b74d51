/** YAML 1.2 as everybody writes it: what would change how values are read is refused. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { largestFile, readConfigFile } from '../../../src/config/file.ts';
import { ConfigError } from '../../../src/config/problem.ts';
import { parseTenantFile } from '../../../src/config/tenant-file.ts';

const options = { allowLocal: true, trustedEndpoints: [] };
const good = `customer: acme
tenant_id: t1
encryption: { provider: local, local: { key_name: k, key_file: k.key } }
`;

test.each([
  ['a %YAML directive', `%YAML 1.1\n---\n${good}`, /%YAML directive/],
  ['a tag on a value', good.replace('t1', '!!str t1'), /tags .* are not taken/],
  ['a tag on a mapping', good.replace('encryption: {', 'encryption: !!map {'), /tags .* are not taken/],
])('%s is a problem', (_, text, message) => {
  expect(parseTenantFile(good, 't.yaml', options).problems).toEqual([]);
  const { config, problems } = parseTenantFile(text, 't.yaml', options);
  expect(config).toBeUndefined();
  expect(problems.map((problem) => problem.message).join('\n')).toMatch(message);
});

test('thousands of brackets are told in a few lines', () => {
  const { problems } = parseTenantFile(`a: ${'['.repeat(300)}\n`, 't.yaml', options);
  expect(problems.length).toBeGreaterThan(0);
  expect(problems.length).toBeLessThan(40);
});

test('a file is read as UTF-8, up to its bound, and only where it is a file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'keyproxy-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'f.yaml');
  await writeFile(path, 'a: ä\n');
  expect(await readConfigFile(path)).toBe('a: ä\n');
  for (const [content, message] of [
    [Buffer.from([0x61, 0xe4]), /not valid UTF-8/],
    [Buffer.alloc(largestFile + 1, 0x20), /larger than/],
  ] as const) {
    await writeFile(path, content);
    await expect(readConfigFile(path)).rejects.toThrow(message);
  }
  await expect(readConfigFile(folder)).rejects.toThrow(/not a regular file/);
  await expect(readConfigFile(join(folder, 'none'))).rejects.toBeInstanceOf(ConfigError);
});
