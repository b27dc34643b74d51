import { expect, test } from 'vitest';
import { Room } from '../../../src/base/room.ts';

class Guest {
  isDestroyed = false;
  destroy(): void {
    this.isDestroyed = true;
  }
}

function guests(count: number): Guest[] {
  return Array.from({ length: count }, () => new Guest());
}

const gone = (all: readonly Guest[]) => all.flatMap(({ isDestroyed }, index) => (isDestroyed ? [index] : []));

test('a newcomer takes the place of whoever has waited longest', () => {
  const room = new Room<Guest>(3);
  const all = guests(5);
  for (const guest of all) room.enter(guest);
  expect(gone(all)).toEqual([0, 1]);
});

test('who is served goes only where all are, and then the oldest first', () => {
  const room = new Room<Guest>(3);
  const all = guests(3);
  for (const guest of all) room.enter(guest);
  for (const index of [1, 0]) room.serve(all[index] as Guest);
  const [fourth, fifth] = guests(2) as [Guest, Guest];
  room.enter(fourth);
  expect(gone(all)).toEqual([2]);
  room.serve(fourth);
  room.enter(fifth);
  expect(gone(all)).toEqual([1, 2]);
});

test('who has an answer and stays goes first', () => {
  const room = new Room<Guest>(3);
  const all = guests(3);
  for (const guest of all) room.enter(guest);
  room.serve(all[1] as Guest);
  room.serve(all[2] as Guest);
  room.answer(all[2] as Guest);
  room.enter(new Guest());
  expect(gone(all)).toEqual([2]);
  room.enter(new Guest());
  expect(gone(all)).toEqual([0, 2]);
});

test('who has gone makes room, and does not come back by being served', () => {
  const room = new Room<Guest>(1);
  const [first, second, third] = guests(3) as [Guest, Guest, Guest];
  room.enter(first);
  room.leave(first);
  room.serve(first);
  room.enter(second);
  expect(gone([first, second])).toEqual([]);
  room.enter(third);
  expect(gone([first, second, third])).toEqual([1]);
});
