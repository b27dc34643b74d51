/** One play from its beginning to its end, and that it has shown something. */
import { expect } from 'vitest';
import { Dice } from '../../fuzz/engine/dice.ts';
import { Play } from './play.ts';

/** Plays so many steps with a seed; fails where somebody opens what is not theirs, or what is theirs does not open. */
export async function playThrough(seed: number, steps: number): Promise<void> {
  const play = new Play(new Dice(seed));
  for (let left = steps; left > 0; left--) await play.step();
  expect(await play.end()).toBe(0);
  // A play in which nothing opened, or nothing was tried that must not, would have shown nothing.
  expect(play.counts.opened).toBeGreaterThan(steps / 10);
  expect(play.counts.kept).toBeGreaterThan((3 * steps) / 10);
  expect(play.counts.refused).toBeGreaterThan(steps / 200);
}
