/**
 * What a core image would tell after a customer's no: twenty thousand calls with each kind of data key, the no, two
 * seconds, and a look at all of the daemon's memory, for a key of AWS KMS and for one of the local provider. The other
 * transport is shown beside: it wipes nothing that it sends. Every copy that stays is counted, and named by what stands
 * before it.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { type Copy, canReadMemory } from '../support/process-memory.ts';
import { type Found, sources, type Wiping, wipingScene } from '../support/wiping-scene.ts';

const calls = 20_000;
const scene = { calls, more: 23, callsOfMore: 100, hears: 'by itself', pauseMs: 2_000 } as const;

const rows: string[] = [];
const say = (line: string) => rows.push(line);
const rowOf = (cells: readonly (string | number)[]) => say(cells.map((cell) => String(cell).padStart(10)).join(''));

/** Whose copy it is: the first whose sign stands before it. */
const holders: readonly (readonly [name: string, sign: RegExp])[] = [
  ['an answer that Node or TLS has read', /"Plaintext":"$/],
  // The field `plaintext` of an answer: its tag, a newline, and its length of 32, a space.
  ['a message that the transport has sent', /\. $/],
  ['memory whose beginning has been used again', /$/],
];

/** On the stack Node has the bytes that it gets from TLS, before it copies them (`TLSWrap::ClearOut`). */
function holderOf({ mapping, before }: Copy): string {
  if (mapping === '[stack]') return 'what TLS left of an answer';
  return holders.find(([, sign]) => sign.test(before))?.[0] ?? '';
}

function report(name: readonly string[], { keys, answers, before, after }: Wiping): void {
  for (const source of sources) {
    const row = (when: string, { copies, keys: found }: Found) =>
      rowOf([...name, source, when, copies.raw, copies.base64, copies.hex, `${found} of ${keys}`]);
    row('before', before[source]);
    row('after', after[source]);
  }
  if (answers > 0) say(`${name.join(', ')}: ${answers} answers of the key service were read`);
  const left = Map.groupBy(
    sources.flatMap((source) => after[source].all),
    (copy) => `${copy.form}, in ${copy.mapping || 'memory without a name'}: ${holderOf(copy)}`,
  );
  for (const [kind, copies] of left) say(`  ${copies.length} are left, ${kind}`);
}

/** The look finds what is there, and no raw copy where there is none any more. */
function expectWiped({ keys, before, after }: Wiping): void {
  for (const source of sources) {
    expect(before[source].keys).toBe(keys);
    expect(after[source]).toMatchObject({ keys: 0, mappings: [], copies: { raw: 0, hex: 0 } });
  }
}

describe.skipIf(!canReadMemory)('after a no, in a core image of the hardened daemon,', () => {
  rowOf(['provider', 'transport', 'source', 'when', 'raw', 'base64', 'hex', 'keys']);
  afterAll(
    () =>
      void process.stdout.write(
        `${calls} calls with a data key, ${scene.callsOfMore} with each of ${scene.more} more; copies:\n${rows.join('\n')}\n`,
      ),
  );

  test('there is no copy of a data key that the local provider made', async () => {
    const wiping = await wipingScene({ provider: 'local', transport: 'native', ...scene });
    report(['local', 'native'], wiping);
    expectWiped(wiping);
    for (const source of sources) expect(wiping.after[source].copies.base64).toBe(0);
  });

  test('there is no copy of a data key of AWS KMS, but for what Node and TLS may have left of the last answers', async () => {
    const wiping = await wipingScene({ provider: 'aws', transport: 'native', ...scene });
    report(['aws', 'native'], wiping);
    expectWiped(wiping);
    const { kms, derived, inside } = wiping.after;
    expect(derived.copies.base64).toBe(0);
    expect(kms.copies.base64 + inside.copies.base64).toBeLessThanOrEqual(wiping.answers / 10);
  });

  test('there are thousands where grpc-js has sent them', async () => {
    const wiping = await wipingScene({ provider: 'aws', transport: 'grpc-js', ...scene });
    report(['aws', 'grpc-js'], wiping);
    for (const source of ['kms', 'derived'] as const) expect(wiping.after[source].copies.raw).toBeGreaterThan(1_000);
  });
});
