/** A key that is refused before it ever wrapped anything, under a policy that denies the canary's context. */
import { expect, it } from 'vitest';
import type { KmsFault } from '../../../src/kms/fault.ts';
import { rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { WatchedEngine } from '../../support/watched-engine.ts';

const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const intervalMs = 60_000;

it('comes back soon after the yes, though there is neither canary nor sample to ask with', async () => {
  const key = new FakeKeyService('cmk-a');
  const engine = new WatchedEngine();
  engine.watch({ current: key });
  key.deniedContexts.add('keyproxy-canary');
  key.fault = disabled;
  expect((await rejection(engine.encrypt('a', 'x'))).reason).toBe('KEY_DISABLED');
  await engine.pass(10_000);
  key.fault = undefined;
  const wanted: string[] = [];
  for (let second = 0; second < (2 * intervalMs) / 1_000; second++) {
    await engine.pass(1_000);
    wanted.push(await engine.encrypt('a', 'x').then(({ key: { keyId } }) => keyId, String));
  }
  expect(wanted.at(-1)).toBe('cmk-a');
});
