/** The section `audit` of the daemon's file. */
import { expect, it } from 'vitest';
import { auditConfig, auditSection } from '../../../src/config/audit-block.ts';
import { ProblemCollector } from '../../../src/config/problem.ts';
import { readShape } from '../../../src/config/read.ts';
import { readYaml } from '../../../src/config/yaml-tree.ts';

function read(text: string) {
  const collector = new ProblemCollector();
  const value = readShape(readYaml(text, 'f.yaml', collector), auditSection, { file: 'f.yaml', collector });
  const { config, problems } = collector.result(value);
  return {
    config: config && auditConfig(config, (path) => `/etc/keyproxy/${path}`),
    problems: problems.map(({ path, message }) => `${path}: ${message}`),
  };
}

it('goes to standard output and refuses where nothing else is said', () => {
  expect(read('{}').config).toEqual({ sink: { kind: 'stdout' }, onFailure: 'refuse' });
});

it('goes to a file of 64 MiB, kept for 400 days, where one is named', () => {
  expect(read('path: audit.jsonl').config?.sink).toEqual({
    ...{ kind: 'file', path: '/etc/keyproxy/audit.jsonl', maxFileBytes: 64 * 2 ** 20, retentionDays: 400 },
  });
});

it('takes other choices', () => {
  const { config } = read('{ path: a, on_failure: continue, max_file_bytes: 1GiB, retention_days: 30 }');
  expect(config).toMatchObject({ sink: { maxFileBytes: 2 ** 30, retentionDays: 30 }, onFailure: 'continue' });
});

it.each([
  ['on_failure: ignore', /^on_failure: must be one of refuse, continue/],
  ['{ path: a, retention_days: 0 }', /^retention_days: is 0; it must be a whole number of days from 1 to 36500/],
  ['{ path: a, max_file_bytes: 1KiB }', /^max_file_bytes: must be a size from 1MiB to 64GiB/],
  ['max_file_bytes: 2MiB', /^max_file_bytes: does not go with stdout/],
  ['{ path: stdout, retention_days: 3 }', /^retention_days: does not go with stdout/],
  ['path: ""', /^path: must be stdout, or the path of a file/],
])('refuses %s', (text, problem) => {
  expect(read(text).problems).toEqual([expect.stringMatching(problem)]);
});
