/** From when the time without proof counts: from a proof, or from when something was cached, and never from before. */
import { expect, it } from 'vitest';
import type { KmsFault } from '../../../src/kms/fault.ts';
import { rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { settled, WatchedEngine } from '../../support/watched-engine.ts';

const silent: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };

it('begins when the first data key is cached, also where that is while the canary is being asked', async () => {
  const key = new FakeKeyService('cmk-a');
  const engine = new WatchedEngine();
  engine.watch({ current: key });
  key.deniedContexts.add('forbidden');
  const [first, canary] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  key.gate = first.promise;
  const refused = rejection(engine.encrypt('a', 'y', { context: { forbidden: '1' } }));
  await settled();
  key.gate = canary.promise;
  first.resolve();
  expect((await refused).reason).toBe('KEY_ACCESS_DENIED');
  await settled();
  key.gate = undefined;
  const { ciphertext } = await engine.encrypt('a', 'x');
  key.fault = silent;
  canary.resolve();
  await engine.pass(30_000);
  expect(engine.calls).toContain('canary outage');
  expect(engine.changes.filter((change) => change.includes('unproven'))).toEqual([]);
  expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
});
