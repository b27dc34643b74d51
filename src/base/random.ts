/**
 * Random bytes for values that are public once they are used: message ids, salts, nonces. One call to the generator
 * costs a microsecond or two whatever its size, so bytes are drawn in bulk and handed out piece by piece. Key material
 * is not drawn here: it must never lie in memory that somebody else's value shares.
 */
import { randomFillSync } from 'node:crypto';

const pool = Buffer.allocUnsafeSlow(16 * 1024);
let used = pool.length;

/** Overwrites `target` with random bytes. Each byte of the pool is handed out once and forgotten. */
export function fillRandom(target: Uint8Array): void {
  if (target.length > pool.length) {
    randomFillSync(target);
    return;
  }
  if (pool.length - used < target.length) {
    randomFillSync(pool);
    used = 0;
  }
  const next = pool.subarray(used, used + target.length);
  used += target.length;
  target.set(next);
  next.fill(0);
}
