/** Nothing of a data key is left in the daemon's memory once its customer said no. */
import { expect, test } from 'vitest';
import { otherTransport } from '../support/daemon-folder.ts';
import { canReadMemory } from '../support/process-memory.ts';
import { wipingScene } from '../support/wiping-scene.ts';

// grpc-js keeps copies of answers, so this holds for keyproxy's own transport alone.
test.skipIf(!canReadMemory || otherTransport !== undefined)(
  'a no leaves no copy of a data key in memory, wherever the collector moved it',
  async () => {
    const { keys, before, after } = await wipingScene({
      transport: 'native',
      ...{ calls: 500, more: 7, callsOfMore: 40 },
      ...{ hears: 'at the next call', pauseMs: 200 },
    });
    // The look finds what is there.
    expect([before.kms.keys, before.derived.keys]).toEqual([keys, keys]);
    expect(after.derived).toEqual({ keys: 0, mappings: [], copies: { raw: 0, base64: 0, hex: 0 } });
    // The AWS SDK reads its answers, which are in base64, by memory that nobody else can wipe.
    expect(after.kms).toMatchObject({ keys: 0, mappings: [], copies: { raw: 0, hex: 0 } });
  },
);
