import { describe, expect, it } from 'vitest';
import { FirstAlone } from '../../../../src/kms/azure/first-alone.ts';

const never = new AbortController().signal;

/** Calls that end when they are told to. */
function calls(gate: FirstAlone) {
  const begun: { passed(): void; end(): void; fail(): void }[] = [];
  const start = (signal = never) =>
    gate.run(
      signal,
      (passed) => new Promise<void>((end, fail) => begun.push({ passed, end, fail: () => fail(new Error('lost')) })),
    );
  return { begun, start };
}

const settled = () => new Promise((done) => setImmediate(done));

describe('the first call of a client', () => {
  it('goes alone until it has passed, and then all others at a time', async () => {
    const { begun, start } = calls(new FirstAlone());
    const all = [start(), start(), start()];
    await settled();
    expect(begun).toHaveLength(1);
    begun[0]?.passed();
    await settled();
    expect(begun).toHaveLength(3);
    for (const call of begun) call.end();
    await Promise.all(all);
  });

  it('makes room for the next where it ends without having passed', async () => {
    const { begun, start } = calls(new FirstAlone());
    const [first, second, third] = [start(), start(), start()];
    begun[0]?.fail();
    await expect(first).rejects.toThrow('lost');
    await settled();
    expect(begun).toHaveLength(2);
    begun[1]?.passed();
    await settled();
    for (const call of begun.slice(1)) call.end();
    await Promise.all([second, third]);
  });

  it('keeps nobody who gives up', async () => {
    const { begun, start } = calls(new FirstAlone());
    const impatient = new AbortController();
    const first = start();
    const second = start(impatient.signal);
    impatient.abort(new Error('enough'));
    await expect(second).rejects.toThrow('enough');
    begun[0]?.end();
    await first;
    expect(begun).toHaveLength(1);
  });
});
