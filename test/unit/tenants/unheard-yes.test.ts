/** A key that is refused before it ever wrapped anything, under a policy that denies the canary's context. */
import { expect, it } from 'vitest';
import type { KmsFault } from '../../../src/kms/fault.ts';
import { rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { WatchedEngine } from '../../support/watched-engine.ts';

const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const intervalMs = 60_000;

function world() {
  const key = new FakeKeyService('cmk-a');
  const engine = new WatchedEngine();
  engine.watch({ current: key });
  key.deniedContexts.add('keyproxy-canary');
  /** What the last of those heard who came once a second, for two intervals. */
  const wantedForLong = async () => {
    let last = '';
    for (let second = 0; second < (2 * intervalMs) / 1_000; second++) {
      await engine.pass(1_000);
      last = await engine.encrypt('a', 'x').then(({ key: { keyId } }) => keyId, String);
    }
    return last;
  };
  return { key, engine, wantedForLong };
}

it('comes back soon after the yes, though there is neither canary nor sample to ask with', async () => {
  const { key, engine, wantedForLong } = world();
  key.fault = disabled;
  expect((await rejection(engine.encrypt('a', 'x'))).reason).toBe('KEY_DISABLED');
  await engine.pass(10_000);
  key.fault = undefined;
  expect(await wantedForLong()).toBe('cmk-a');
});

it('comes back as well where the first context of all is one that its policy forbids', async () => {
  const { key, engine, wantedForLong } = world();
  key.deniedContexts.add('odd');
  expect((await rejection(engine.encrypt('a', 'x', { context: { odd: '1' } }))).reason).toBe('KEY_ACCESS_DENIED');
  await engine.pass(10_000);
  key.fault = disabled;
  expect((await rejection(engine.encrypt('a', 'x'))).reason).toBe('KEY_DISABLED');
  await engine.pass(10_000);
  key.fault = undefined;
  expect(await wantedForLong()).toBe('cmk-a');
});
