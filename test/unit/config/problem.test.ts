import { describe, expect, test } from 'vitest';
import { describeProblem, describeProblems } from '../../../src/config/problem.ts';
import { nearestName } from '../../../src/config/spelling.ts';

describe('a problem is printed', () => {
  test('as file, line, path and message', () => {
    const problem = { file: 'a.yaml', line: 3, column: 5, path: 'encryption.provider', message: 'is missing' };
    expect(describeProblem(problem)).toBe('a.yaml:3: encryption.provider: is missing');
  });

  test('without what does not apply', () => {
    expect(describeProblem({ file: 'a.yaml', line: 0, path: '', message: 'cannot be read (EACCES)' })).toBe(
      'a.yaml: cannot be read (EACCES)',
    );
  });

  test('with others by file and by line, not by the digits of the line', () => {
    const at = (file: string, line: number) => ({ file, line, path: '', message: 'm' });
    expect(describeProblems([at('b', 1), at('a', 10), at('a', 9)])).toBe('a:9: m\na:10: m\nb:1: m');
    expect(describeProblems([])).toBe('');
  });
});

describe('nearestName', () => {
  const names = ['ttl_seconds', 'max_entries', 'warm_start'];

  test.each([
    ['ttl_second', 'ttl_seconds'],
    ['ttlSeconds', 'ttl_seconds'],
    ['tll_seconds', 'ttl_seconds'],
    ['max_entires', 'max_entries'],
    ['ttl', 'ttl_seconds'],
    ['WARM-START', 'warm_start'],
  ])('takes %s for %s', (name, expected) => {
    expect(nearestName(name, names)).toBe(expected);
  });

  test.each(['colour', '', 'x', 'm'.repeat(10_000)])('takes %s for nothing', (name) => {
    expect(nearestName(name, names)).toBeUndefined();
  });
});
