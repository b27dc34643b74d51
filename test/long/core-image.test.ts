/**
 * What a core image would tell after a customer's no: twenty thousand Unwraps of each kind of data key, the no, two
 * seconds, and a look at all of the daemon's memory. The other transport is shown beside: it wipes nothing that it sends.
 */
import { expect, test } from 'vitest';
import { canReadMemory } from '../support/process-memory.ts';
import { type Found, sources, type Wiping, wipingScene } from '../support/wiping-scene.ts';

const calls = 20_000;

const say = (line: string) => process.stdout.write(`${line}\n`);
const rowOf = (cells: readonly (string | number)[]) => say(cells.map((cell) => String(cell).padStart(10)).join(''));

function report(transport: string, { keys, answers, before, after }: Wiping): void {
  for (const source of sources) {
    const row = (when: string, { copies, keys: found }: Found) =>
      rowOf([transport, source, when, copies.raw, copies.base64, copies.hex, `${found} of ${keys}`]);
    row('cached', before[source]);
    row('wiped', after[source]);
  }
  say(`${transport}: ${answers} answers of the key service were read`);
}

test.skipIf(!canReadMemory)(
  'the native transport and the codec leave no copy of a data key in a core image',
  async () => {
    const scene = { calls, more: 23, callsOfMore: 100, hears: 'by itself', pauseMs: 2_000 } as const;
    const native = await wipingScene({ transport: 'native', ...scene });
    const grpcJs = await wipingScene({ transport: 'grpc-js', ...scene });
    say(`${calls} Unwraps of a data key of each source, ${scene.callsOfMore} each of ${scene.more} more; copies:`);
    rowOf(['transport', 'source', 'when', 'raw', 'base64', 'hex', 'keys']);
    report('native', native);
    report('grpc-js', grpcJs);

    for (const source of sources) {
      // The look finds what is there: cached keys, and what a transport leaves that does not wipe.
      expect(native.before[source].keys).toBe(native.keys);
      expect(grpcJs.after[source].copies.raw).toBeGreaterThan(1_000);
      expect(native.after[source]).toMatchObject({ keys: 0, mappings: [], copies: { raw: 0, hex: 0 } });
    }
    // What is in base64 is the AWS SDK's, from its answers: of what it never saw there is none.
    expect(native.after.derived.copies.base64).toBe(0);
    expect(native.before.derived.copies.base64).toBe(0);
  },
);
