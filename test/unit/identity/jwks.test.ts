import { expect, test } from 'vitest';
import { IssuerKeys } from '../../../src/identity/jwks.ts';
import { readKeySet } from '../../../src/identity/jwks-set.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function scene() {
  const clock = new FakeClock();
  const signals: AbortSignal[] = [];
  const answers = { come: true };
  const fetch = async (signal: AbortSignal) => {
    signals.push(signal);
    return answers.come ? readKeySet('{"keys":[]}') : new Promise<never>(() => {});
  };
  const keys = new IssuerKeys({ clock, random: Math.random, fetch, onChange() {} });
  return { clock, signals, answers, keys };
}

test('whoever wants the keys while they are being fetched waits for that fetch', async () => {
  const { keys, signals } = scene();
  await Promise.all([keys.refresh(), keys.refresh(), keys.with('a').catch(() => undefined), keys.refresh()]);
  expect(signals.length).toBe(2);
  keys[Symbol.dispose]();
});

test('the next fetch in the background comes after four to six minutes', async () => {
  const { clock, keys, signals } = scene();
  for (let count = 1; count < 50; count += 2) {
    await keys.refresh();
    expect(signals.length).toBe(count);
    clock.advance(240_000 - 1);
    expect(signals.length).toBe(count);
    clock.advance(120_001);
    expect(signals.length).toBe(count + 1);
    await keys.refresh();
  }
  keys[Symbol.dispose]();
});

test('after its end nothing is fetched, and what was under way has been ended', async () => {
  const { answers, clock, keys, signals } = scene();
  answers.come = false;
  const fetching = keys.refresh();
  keys[Symbol.dispose]();
  await fetching;
  expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  await keys.refresh();
  await expect(keys.with('a')).rejects.toMatchObject({ reason: 'CALLER_UNVERIFIABLE' });
  expect([signals.length, clock.timers]).toEqual([1, 0]);
});
