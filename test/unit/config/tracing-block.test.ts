import { expect, test } from 'vitest';
import { parseDaemonFile } from '../../../src/config/daemon-file.ts';

const url = 'http://127.0.0.1:4318/v1/traces';

function read(tracing: string, env: Readonly<Record<string, string>> = {}) {
  const text = `tenants: { directory: /t }\ntracing: ${tracing}\n`;
  const { config, problems } = parseDaemonFile(text, '/etc/keyproxy/keyproxy.yaml', env);
  return { tracing: config?.tracing, problems: problems.map(({ path, message }) => `${path} ${message}`) };
}

test('one call in a hundred is traced where nothing else is said', () => {
  expect(read(`{ endpoint: "${url}" }`)).toEqual({ tracing: { endpoint: url, sampleRatio: 0.01 }, problems: [] });
});

test('a ratio without an endpoint is a problem, in the file and in the environment', () => {
  expect(read('{ sample_ratio: 1 }').problems).toEqual([expect.stringMatching(/^tracing.endpoint is missing/)]);
  const alone = parseDaemonFile('tenants: { directory: /t }', '/k.yaml', { KEYPROXY_TRACING_SAMPLE_RATIO: '1' });
  expect(alone.problems).toHaveLength(1);
});

test.each(['0', '1', '0.001'])('a ratio of %s is one, in the file and in the environment', (ratio) => {
  expect(read(`{ endpoint: "${url}", sample_ratio: ${ratio} }`).tracing?.sampleRatio).toBe(Number(ratio));
  const env = { KEYPROXY_TRACING_SAMPLE_RATIO: ratio };
  expect(read(`{ endpoint: "${url}", sample_ratio: 0.5 }`, env).tracing?.sampleRatio).toBe(Number(ratio));
});

test.each(['-0.1', '1.1', '10%', '"0.5"', '.nan', '[]'])('a ratio of %s is none', (ratio) => {
  const { tracing, problems } = read(`{ endpoint: "${url}", sample_ratio: ${ratio} }`);
  expect(tracing).toBeUndefined();
  expect(problems).toEqual([expect.stringMatching(/^tracing.sample_ratio .*a number from 0 to 1/)]);
});

test.each([
  'http://127.0.0.1:4318',
  'http://127.0.0.1:4318/',
  '127.0.0.1:4318/v1/traces',
  'grpc://127.0.0.1:4317/v1/traces',
  'http://user:secret@collector/v1/traces',
  'http://collector/v1/traces?key=secret',
  'http://collector/v1/traces#secret',
  '1',
])('%s is no place for traces, and is not repeated', (text) => {
  const { problems } = read(`{ endpoint: "${text}" }`);
  expect(problems).toEqual([expect.stringMatching(/^tracing.endpoint must be a URL with its path/)]);
  expect(problems[0]).not.toContain('secret');
});
