/** Random bytes out of a pool: every value fresh, whatever the sizes. */
import { describe, expect, it } from 'vitest';
import { fillRandom } from '../../../src/base/random.ts';

describe('fillRandom', () => {
  it('never hands the same bytes out twice, over many refills of its pool', () => {
    const seen = new Set<string>();
    for (let i = 0; i < 5000; i++) {
      const value = Buffer.alloc(16 + (i % 17));
      fillRandom(value);
      seen.add(value.toString('hex', 0, 16));
    }
    expect(seen.size).toBe(5000);
  });

  it('fills all of its target and nothing beside it', () => {
    const whole = Buffer.alloc(64);
    fillRandom(whole.subarray(16, 48));
    expect(whole.subarray(0, 16)).toEqual(Buffer.alloc(16));
    expect(whole.subarray(48)).toEqual(Buffer.alloc(16));
    expect(whole.subarray(16, 32)).not.toEqual(Buffer.alloc(16));
    expect(whole.subarray(32, 48)).not.toEqual(Buffer.alloc(16));
  });

  it('fills a target that is larger than its pool', () => {
    const large = Buffer.alloc(100_000);
    fillRandom(large);
    for (let at = 0; at < large.length - 32; at += 10_000) {
      expect(large.subarray(at, at + 32)).not.toEqual(Buffer.alloc(32));
    }
    expect(large.subarray(-32)).not.toEqual(Buffer.alloc(32));
  });
});
