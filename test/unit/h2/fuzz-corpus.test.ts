/**
 * What fuzzing has found worth keeping runs again: no input of any corpus breaks a promise. One that does is named here as
 * a line of its corpus; `npm run fuzz` finds others.
 */
import { describe, expect, it } from 'vitest';
import { readCorpus, readFound } from '../../fuzz/engine/corpus-file.ts';
import { failureOf } from '../../fuzz/engine/replay.ts';
import { targets } from '../../fuzz/targets/all.ts';

describe('fuzzing', () => {
  it.each(targets)('broke no promise of the $name with any input that it kept', async (target) => {
    const inputs = readCorpus(target.name);
    expect(inputs.length).toBeGreaterThan(40);
    for (const input of [...target.seeds, ...readFound(target.name), ...inputs])
      expect(await failureOf(target, input)).toBeUndefined();
  });
});
