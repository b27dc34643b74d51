import { describe, expect, it } from 'vitest';
import { KmsError } from '../../../../src/kms/fault.ts';
import { LoginPacing } from '../../../../src/kms/vault/login-pacing.ts';
import { ManualClock } from '../manual-clock.ts';

const error = new KmsError(
  { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' },
  { provider: 'vault', operation: 'login' },
);

function pacing(random = 0.5) {
  const clock = new ManualClock();
  return { clock, pacing: new LoginPacing(clock, () => random) };
}

/** Milliseconds for which the next login is held back. */
async function heldFor(clock: ManualClock, held: () => boolean): Promise<number> {
  let milliseconds = 0;
  for (; held(); milliseconds += 250) await clock.advance(250);
  return milliseconds;
}

describe('the pacing of logins', () => {
  it('holds nothing back before a first failure, nor after a success', () => {
    const { pacing: paced } = pacing();
    expect(paced.holds('a')).toBeUndefined();
    paced.failed('unclear', 'a', error);
    expect(paced.holds('a')).toBe(error);
    paced.succeeded();
    expect(paced.holds('a')).toBeUndefined();
  });

  it('does not show again what was refused, for minutes, but something else at once', async () => {
    const { clock, pacing: paced } = pacing();
    paced.failed('refused', 'a', error);
    expect(paced.holds('b')).toBeUndefined();
    await clock.advance(299_999);
    expect(paced.holds('a')).toBe(error);
    await clock.advance(1);
    expect(paced.holds('a')).toBeUndefined();
  });

  it('doubles its pauses after ends that may have spent something, up to five minutes', async () => {
    const { clock, pacing: paced } = pacing(0.999);
    const pauses: number[] = [];
    for (let attempt = 0; attempt < 11; attempt++) {
      paced.failed('unclear', 'a', error);
      pauses.push(await heldFor(clock, () => paced.holds('b') !== undefined));
    }
    expect(pauses.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 8_000]);
    expect(pauses.slice(-2)).toEqual([300_000, 300_000]);
  });

  it('never pauses for less than half of that, whatever the chance', async () => {
    const { clock, pacing: paced } = pacing(0);
    paced.failed('unclear', 'a', error);
    expect(await heldFor(clock, () => paced.holds('a') !== undefined)).toBe(500);
  });

  it('comes back within ten seconds after ends that spent nothing', async () => {
    const { clock, pacing: paced } = pacing(0.999);
    for (let attempt = 0; attempt < 20; attempt++) paced.failed('unspent', 'a', error);
    expect(await heldFor(clock, () => paced.holds('a') !== undefined)).toBe(10_000);
  });
});
