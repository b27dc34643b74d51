/**
 * HPACK against nghttp2's: thousands of random lists both ways, in sequences that share tables whose sizes change. And
 * broken blocks, of which both say the same.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompressionError, HeaderDecoder } from '../../src/h2/hpack/decoder.ts';
import { HeaderEncoder } from '../../src/h2/hpack/encoder.ts';
import type { HeaderField, HeaderList } from '../../src/h2/hpack/field.ts';
import { answers, blockOf, deflate, fieldsOf, inflate, nghttp2Program } from './hpack/nghttp2.ts';

const program = await nghttp2Program();

const latin1 = fc.nat(255).map((code) => String.fromCharCode(code));
const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(':status', ':path', 'content-type', 'cookie', 'authorization', 'te', 'x-a') },
  { weight: 1, arbitrary: fc.string({ unit: latin1, minLength: 1, maxLength: 30 }) },
);
const value = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('', '200', '/', 'application/grpc', 'trailers', 'b', 'c'.repeat(150)) },
  { weight: 2, arbitrary: fc.string({ unit: latin1, maxLength: 60 }) },
  { weight: 1, arbitrary: fc.tuple(latin1, fc.nat(5000)).map(([character, length]) => character.repeat(length)) },
);
const field: fc.Arbitrary<HeaderField> = fc.record({ name, value }, { noNullPrototype: true });
const size = fc.constantFrom(0, 50, 300, 1000, 4096, 20_000, 65_536);
/** A list to send, or a new size of the receiver's table. */
const steps = fc.array(
  fc.oneof({ weight: 9, arbitrary: fc.array(field, { maxLength: 10 }) }, { weight: 1, arbitrary: size }),
  { minLength: 90, maxLength: 110 },
);
const runs = 30;
const sensitive = ['authorization', 'cookie'];

describe.skipIf(program === undefined)("HPACK and nghttp2's", () => {
  const ask = (commands: readonly string[]) => answers(program ?? '', commands);
  let lists = 0;

  it.each([4096, 65_536, 300])(
    'nghttp2 reads what is written here, in a table of up to %i bytes',
    async (maxTableSize) => {
      const property = fc.asyncProperty(steps, async (sent) => {
        const encoder = new HeaderEncoder({ maxTableSize });
        const commands = sent.map((step) => {
          if (typeof step !== 'number') return inflate(encoder.encode(step));
          encoder.setMaxTableSize(step);
          return `i ${step}`;
        });
        const read = await ask(commands);
        for (const [at, step] of sent.entries()) {
          if (typeof step === 'number') continue;
          const neverIndexed = step.map((each) => each.name).filter((each) => sensitive.includes(each));
          expect(fieldsOf(read[at] ?? '')).toEqual({ fields: step, neverIndexed });
          lists++;
        }
      });
      lists = 0;
      await fc.assert(property, { numRuns: runs });
      expect(lists).toBeGreaterThan(runs * 60);
    },
  );

  it('what nghttp2 writes is read here', async () => {
    let read = 0;
    const property = fc.asyncProperty(steps, async (sent) => {
      const commands = sent.map((step) => (typeof step === 'number' ? `d ${step}` : deflate(step)));
      const written = await ask(commands);
      const decoder = new HeaderDecoder({ maxTableSize: 65_536, maxListSize: 1_000_000 });
      for (const [at, step] of sent.entries()) {
        if (typeof step === 'number') continue;
        expect(decoder.decode(blockOf(written[at] ?? '')).fields).toEqual(step);
        read++;
      }
    });
    await fc.assert(property, { numRuns: 2 * runs });
    expect(read).toBeGreaterThan(2 * runs * 60);
  });

  it('both say the same of a block with a wrong bit, a cut end or random bytes', async () => {
    const random = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes));
    const damaged = fc.tuple(fc.array(field, { minLength: 1, maxLength: 4 }), fc.nat(), fc.boolean()).map(damage);
    const block = fc.oneof(random, damaged).filter((bytes) => !hasThreeSizeUpdates(bytes));
    const blocks = fc.sample(block, 5000);
    const theirs = (await ask(blocks.flatMap((bytes) => ['R', inflate(bytes)]))).filter((_, at) => at % 2 === 1);
    const ours = blocks.map(decoded);
    expect(ours.map(told)).toEqual(theirs.map((answer) => told(fieldsOf(answer)?.fields)));
    const good = ours.filter((fields) => fields !== undefined).length;
    expect(good).toBeGreaterThan(500);
    expect(good).toBeLessThan(4500);
  });
});

/** The block of a list with one bit wrong, or without its end. */
function damage([list, at, isCut]: [HeaderList, number, boolean]): Buffer {
  const block = Buffer.from(new HeaderEncoder({ maxTableSize: 4096 }).encode(list));
  const place = at % block.length;
  if (isCut) return block.subarray(0, place);
  block[place] = (block[place] ?? 0) ^ (1 << (at & 7));
  return block;
}

function decoded(block: Buffer): HeaderList | undefined {
  try {
    return new HeaderDecoder({ maxTableSize: 4096, maxListSize: 1_000_000 }).decode(block).fields;
  } catch (error) {
    if (error instanceof CompressionError) return undefined;
    throw error;
  }
}

function told(fields: HeaderList | undefined): string {
  return fields === undefined ? 'an error' : JSON.stringify(fields);
}

/** nghttp2 takes any number of size updates, where RFC 7541 section 4.2 has two at most. */
function hasThreeSizeUpdates(block: Buffer): boolean {
  return /^(3f(..)?(..)?|[23].){3}/.test(block.toString('hex'));
}
