/** A customer whose policy allows the contexts of its data alone: the canary's own is denied, and that harms nobody. */
import { expect, it } from 'vitest';
import type { KmsFault } from '../../../src/kms/fault.ts';
import { rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { WatchedEngine } from '../../support/watched-engine.ts';

const denied: KmsFault = { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false };
const intervalMs = 60_000;

it('may rotate the key and disable its older version, and is heard where it denies the key', async () => {
  const key = new FakeKeyService('cmk-a');
  const engine = new WatchedEngine();
  engine.watch({ current: key });
  key.deniedContexts.add('keyproxy-canary');
  const { ciphertext } = await engine.encrypt('a', 'x');
  await engine.pass(intervalMs);
  key.retireVersion();
  await engine.pass(3 * intervalMs);
  expect(engine.changes).toEqual([]);
  expect((await engine.decrypt('a', ciphertext)).plaintext.toString()).toBe('x');
  key.fault = denied;
  await engine.pass(intervalMs + 2_000);
  expect(engine.changes).toEqual(['cmk-a refused KEY_ACCESS_DENIED, 2 wiped']);
  expect((await rejection(engine.decrypt('a', ciphertext))).reason).toBe('KEY_ACCESS_DENIED');
});
