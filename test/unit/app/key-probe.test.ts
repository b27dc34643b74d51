/** The probe's looks: one at a time, and none that is asked for is left out. */
import { expect, test } from 'vitest';
import { KeyProbe } from '../../../src/app/key-probe.ts';
import { contextFor } from '../../../src/operations/context.ts';
import { FakeClock } from '../../support/fake-clock.ts';

test('a look that is asked for at any moment of another one is a look of its own', async () => {
  for (let turns = 0; turns < 12; turns++) {
    let looks = 0;
    await using probe = new KeyProbe({
      ...{ clock: new FakeClock(), intervalMs: 60_000 },
      tenant() {
        looks += 1;
        return undefined;
      },
      contextOf: ({ id }) => contextFor(id, new Map(), true),
      onSeen: async () => {},
      onFailed() {},
    });
    const first = probe.look();
    for (let turn = 0; turn < turns; turn++) await undefined;
    await probe.look();
    await first;
    expect(looks, `after ${turns} turns`).toBe(2);
  }
});
