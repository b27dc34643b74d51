import { describe, expect, test } from 'vitest';
import { Share } from '../../../../src/rpc/native/share.ts';

const kibibyte = 2 ** 10;

function two(mostOfAll: number) {
  const common = { bytes: 0 };
  const share = () => new Share({ most: 1024 * kibibyte, mostOfAll, common });
  return { common, greedy: share(), modest: share() };
}

describe('a share', () => {
  test('holds what it may while there is room', () => {
    const { greedy, modest, common } = two(4096 * kibibyte);
    greedy.add(1024 * kibibyte);
    modest.add(1);
    expect([greedy.isInside, modest.isInside, common.bytes]).toEqual([true, true, 1024 * kibibyte + 1]);
    greedy.add(1);
    expect([greedy.isInside, modest.isInside]).toEqual([false, true]);
  });

  test('that is large is over its bound when room is scarce, and one that is small is not', () => {
    const { greedy, modest } = two(600 * kibibyte);
    greedy.add(500 * kibibyte);
    modest.add(100 * kibibyte);
    expect([greedy.isInside, modest.isInside]).toEqual([true, true]);
    modest.add(1);
    expect([greedy.isInside, modest.isInside]).toEqual([false, true]);
    greedy.add(-250 * kibibyte);
    expect([greedy.isInside, modest.isInside]).toEqual([true, true]);
  });
});
