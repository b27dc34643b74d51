/** Ways in which a network may cut what was sent. */
import { Dice } from '../engine/dice.ts';

/** More chunks than this show nothing that as many do not. */
const mostChunks = 200;

/** Cuts bytes; `how` of 0 leaves them whole, 1 makes them single, other numbers cut anywhere. */
export function chunksOf(bytes: Buffer, how: number): Buffer[] {
  if (how === 0) return [bytes];
  const dice = new Dice(how);
  const most = how === 1 ? 1 : how < 64 ? 1 + (how >> 2) : how < 128 ? 64 : Math.max(1, bytes.length >> 1);
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const isLast = chunks.length === mostChunks;
    const end = isLast ? bytes.length : Math.min(bytes.length, at + 1 + dice.below(most));
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}
