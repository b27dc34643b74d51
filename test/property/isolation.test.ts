/**
 * Isolation: whatever happens, nobody opens what is not theirs, and what is theirs opens. A hundred thousand steps of
 * random tenants, callers, contexts and bytes against the real engine; who may open what is decided by a plain list.
 */
import { describe, expect, it } from 'vitest';
import { Dice } from '../fuzz/engine/dice.ts';
import { Play } from './isolation/play.ts';

const stepsOfSeed = 10_000;

describe('isolation', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])('holds through ten thousand random steps, seed %i', async (seed) => {
    const play = new Play(new Dice(seed));
    for (let left = stepsOfSeed; left > 0; left--) await play.step();
    expect(await play.end()).toBe(0);
    // A play in which nothing opened, or nothing was tried that must not, would have shown nothing.
    expect(play.counts.opened).toBeGreaterThan(1_000);
    expect(play.counts.kept).toBeGreaterThan(3_000);
    expect(play.counts.refused).toBeGreaterThan(50);
  });
});
