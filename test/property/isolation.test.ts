/**
 * Isolation: whatever happens, nobody opens what is not theirs, and what is theirs opens. Random tenants, callers,
 * contexts and bytes against the real engine; who may open what is decided by a plain list. test/long/isolation.test.ts
 * plays a hundred thousand steps.
 */
import { describe, it } from 'vitest';
import { playThrough } from './isolation/plays.ts';

describe('isolation', () => {
  it.each([1, 2])('holds through five thousand random steps, seed %i', (seed) => playThrough(seed, 5_000));
});
