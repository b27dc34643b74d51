/** Isolation through a hundred thousand random steps, with other seeds than those of test/property/isolation.test.ts. */
import { it } from 'vitest';
import { playThrough } from '../property/isolation/plays.ts';

it.each([11, 12, 13, 14, 15, 16, 17, 18, 19, 20])('holds through ten thousand random steps, seed %i', (seed) =>
  playThrough(seed, 10_000),
);
