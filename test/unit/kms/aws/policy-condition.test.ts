import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesPattern } from '../../../../src/kms/aws/policy-condition.ts';
import { processorMs } from '../../../support/processor-time.ts';

/** The same by a regular expression, which is slow for many stars. */
function byExpression(pattern: string, value: string): boolean {
  const source = pattern.replaceAll('*', '.*').replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(value);
}

describe('a pattern of a policy', () => {
  it.each([
    ['*', '', true],
    ['kms:*', 'kms:Decrypt', true],
    ['kms:De*t', 'kms:Decrypt', true],
    ['kms:De?rypt', 'kms:Decrypt', true],
    ['kms:Decrypt?', 'kms:Decrypt', false],
    ['kms:.*', 'kms:Decrypt', false],
    ['*a*b', 'xaxbxb', true],
    ['', 'a', false],
    ['a', '', false],
  ])('%s matches %s: %s', (pattern, value, matches) => {
    expect(matchesPattern(pattern, value)).toBe(matches);
  });

  it('matches what a regular expression for it matches', () => {
    const of = (...characters: string[]) => fc.string({ unit: fc.constantFrom(...characters), maxLength: 9 });
    fc.assert(
      fc.property(of('a', 'b', '*', '?'), of('a', 'b', '\n'), (pattern, value) => {
        expect(matchesPattern(pattern, value)).toBe(byExpression(pattern, value));
      }),
      { numRuns: 2_000 },
    );
  });

  it('of any number of stars is told in no time', () => {
    const start = processorMs();
    expect(matchesPattern(`${'*?'.repeat(200)}*Z`, 'a'.repeat(2_000))).toBe(false);
    expect(processorMs() - start).toBeLessThan(1_000);
  });
});
