/** Refusals that were written down and read again stay what they are, whatever time somebody has put into the file. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RefusalFile, readRefusals } from '../../src/app/refusal-file.ts';
import type { StateFolder } from '../../src/app/state-folder.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** A folder of one file in memory. */
class MemoryFolder {
  text: string;

  constructor(text: string) {
    this.text = text;
  }

  async read(): Promise<string> {
    return this.text;
  }

  async write(_name: string, text: string): Promise<void> {
    this.text = text;
  }

  async setAside(): Promise<void> {}

  /** What is asked for here is all that is asked of a folder. */
  get asFolder(): StateFolder {
    return this as unknown as StateFolder;
  }
}

/** The refusals that a restart finds: read, written, and read again. */
async function twice(since: string): Promise<[number, number]> {
  const row = `{"tenant_id":"a","key_id":"k","reason":"KEY_DISABLED","since":${since},"provider":"vault","samples":[]}`;
  const memory = new MemoryFolder(`{"version":1,"rows":[${row}]}`);
  const first = (await readRefusals(memory.asFolder)) ?? [];
  await using file = new RefusalFile({
    folder: memory.asFolder,
    clock: new FakeClock(),
    current: () => first,
    onFailure: (error) => expect(error).toBeUndefined(),
  });
  file.changed();
  await file[Symbol.asyncDispose]();
  return [first.length, ((await readRefusals(memory.asFolder)) ?? []).length];
}

it('what is read of a refusal is read again after it was written', async () => {
  await fc.assert(
    fc.asyncProperty(fc.double({ noNaN: true, noDefaultInfinity: true }), async (since) => {
      expect(await twice(JSON.stringify(since))).toEqual([1, 1]);
    }),
  );
});

it('a refusal with a time that is too large for a number is not lost with the next writing', async () => {
  const [before, after] = await twice('1e999');
  expect(after).toBe(before);
});
