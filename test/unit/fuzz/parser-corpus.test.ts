/**
 * What fuzzing the parsers has found worth keeping runs again: no input of any corpus breaks a promise. One that does is
 * named here as a line of its corpus; `npm run fuzz` finds others.
 */
import { describe, expect, it } from 'vitest';
import { readCorpus, readFound } from '../../fuzz/engine/corpus-file.ts';
import { failureOf } from '../../fuzz/engine/replay.ts';
import { targets } from '../../fuzz/targets/all.ts';
import { codeOfTarget } from '../../fuzz/targets/code.ts';
import { parserTargets } from '../../fuzz/targets/parsers.ts';

describe('fuzzing', () => {
  it.each(parserTargets)('broke no promise of the parser of $name with any input that it kept', async (target) => {
    const inputs = readCorpus(target.name);
    expect(inputs.length).toBeGreaterThan(25);
    for (const input of [...target.seeds, ...readFound(target.name), ...inputs])
      expect(await failureOf(target, input)).toBeUndefined();
  });

  it('knows of each target which code it is there for', () => {
    expect([...targets, ...parserTargets].map(({ name }) => name).toSorted()).toEqual(
      Object.keys(codeOfTarget).toSorted(),
    );
  });
});
