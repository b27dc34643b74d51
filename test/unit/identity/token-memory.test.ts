import { describe, expect, test } from 'vitest';
import { TokenMemory } from '../../../src/identity/token-memory.ts';

describe('what was found about a token', () => {
  test('is had until its end, and no longer', () => {
    const memory = new TokenMemory<string>(2);
    memory.set('a', 'found', 100);
    expect([memory.get('a', 99), memory.get('a', 100), memory.get('a', 99)]).toEqual(['found', undefined, undefined]);
    expect(memory.size).toBe(0);
  });

  test('gives way to more, the least recently used first', () => {
    const memory = new TokenMemory<number>(3);
    for (const [index, name] of ['a', 'b', 'c'].entries()) memory.set(name, index, 100);
    memory.get('a', 0);
    memory.set('b', 9, 100);
    memory.set('d', 3, 100);
    expect(['a', 'b', 'c', 'd'].map((name) => memory.get(name, 0))).toEqual([0, 9, undefined, 3]);
    expect(memory.size).toBe(3);
  });

  test('is gone when all is forgotten', () => {
    const memory = new TokenMemory<number>(3);
    memory.set('a', 1, 100);
    memory.clear();
    expect(memory.get('a', 0)).toBeUndefined();
  });
});
