/** Nothing of a data key is left in the daemon's memory once its customer said no. */
import { describe, expect, test } from 'vitest';
import { otherTransport } from '../support/daemon-folder.ts';
import { canReadMemory } from '../support/process-memory.ts';
import { sources, wipingScene } from '../support/wiping-scene.ts';

// grpc-js keeps copies of answers, so this holds for keyproxy's own transport alone.
describe.skipIf(!canReadMemory || otherTransport !== undefined)('a no leaves no copy of a data key in memory', () => {
  const scene = { transport: 'native', calls: 500, more: 7, callsOfMore: 40 } as const;

  test('of AWS KMS, but for what Node and TLS may have left of the last answers', async () => {
    const wiping = await wipingScene({ provider: 'aws', ...scene, hears: 'at the next call', pauseMs: 200 });
    const { keys, answers, before, after } = wiping;
    for (const source of sources) {
      // The look finds what is there.
      expect(before[source].keys).toBe(keys);
      expect(after[source]).toMatchObject({ keys: 0, mappings: [], copies: { raw: 0, hex: 0 } });
    }
    expect(after.derived.copies.base64).toBe(0);
    // Without a wipe of what was read there is at least one for each answer.
    expect(after.kms.copies.base64 + after.inside.copies.base64).toBeLessThanOrEqual(answers / 4);
  });

  test('that was made here', async () => {
    const { keys, before, after } = await wipingScene({
      provider: 'local',
      ...scene,
      hears: 'by itself',
      pauseMs: 200,
    });
    for (const source of sources) {
      expect(before[source].keys).toBe(keys);
      expect(after[source]).toMatchObject({ keys: 0, mappings: [], copies: { raw: 0, base64: 0, hex: 0 } });
    }
  });
});
