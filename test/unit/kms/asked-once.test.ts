import { expect, it } from 'vitest';
import { AskedOnce } from '../../../src/kms/asked-once.ts';

const patient = new AbortController().signal;

/** A question whose answers the test gives, in the order in which they were asked for. */
function questions() {
  const open: PromiseWithResolvers<string>[] = [];
  const asked = new AskedOnce(() => {
    const one = Promise.withResolvers<string>();
    open.push(one);
    return one.promise;
  });
  return { asked, open };
}

it('asks for the first call, has all wait for that, and asks no more', async () => {
  const { asked, open } = questions();
  const all = [asked.get(patient), asked.get(patient)];
  open[0]?.resolve('a');
  expect(await Promise.all(all)).toEqual(['a', 'a']);
  expect(await asked.get(patient)).toBe('a');
  expect(open).toHaveLength(1);
});

it('fails those who wait, and asks again for the next', async () => {
  const { asked, open } = questions();
  const first = asked.get(patient);
  open[0]?.reject(new Error('silence'));
  await expect(first).rejects.toThrow('silence');
  const second = asked.get(patient);
  open[1]?.resolve('b');
  expect(await second).toBe('b');
});

it('leaves one who gives up, and keeps the answer that nobody waited for', async () => {
  const { asked, open } = questions();
  const caller = new AbortController();
  const given = asked.get(caller.signal);
  caller.abort(new Error('gave up'));
  await expect(given).rejects.toThrow('gave up');
  open[0]?.resolve('late');
  await open[0]?.promise;
  expect(await asked.get(patient)).toBe('late');
  expect(open).toHaveLength(1);
});

it('does not keep an answer that was forgotten while it was under way', async () => {
  const { asked, open } = questions();
  const before = asked.get(patient);
  asked.forget();
  const after = asked.get(patient);
  open[1]?.resolve('new');
  expect(await after).toBe('new');
  open[0]?.resolve('old');
  expect(await before).toBe('old');
  expect(await asked.get(patient)).toBe('new');
});

it('takes an answer from elsewhere, over one that is under way', async () => {
  const { asked, open } = questions();
  const before = asked.get(patient);
  asked.learned('known');
  open[0]?.resolve('asked');
  expect(await before).toBe('asked');
  expect(await asked.get(patient)).toBe('known');
});
