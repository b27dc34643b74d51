import { expect, it } from 'vitest';
import { Shared } from '../../../src/kms/shared.ts';

function counted() {
  const log: string[] = [];
  const open = (name: string) => () => {
    log.push(`+${name}`);
    return { value: name, close: () => void log.push(`-${name}`) };
  };
  return { log, open, shared: new Shared<string>() };
}

it('A shared thing is opened by its first user and closed after its last, however often one lets go', () => {
  const { log, open, shared } = counted();
  const [a, b, other] = [shared.lease('x', open('x')), shared.lease('x', open('x')), shared.lease('y', open('y'))];
  expect([a.value, shared.values()]).toEqual(['x', ['x', 'y']]);
  a[Symbol.dispose]();
  a[Symbol.dispose]();
  expect(log).toEqual(['+x', '+y']);
  b[Symbol.dispose]();
  expect(log).toEqual(['+x', '+y', '-x']);
  shared.lease('x', open('x'));
  other[Symbol.dispose]();
  expect(log).toEqual(['+x', '+y', '-x', '+x', '-y']);
});

it('What a disposed store has closed, a late user closes no second time', () => {
  const { log, open, shared } = counted();
  const lease = shared.lease('x', open('x'));
  shared[Symbol.dispose]();
  lease[Symbol.dispose]();
  expect(log).toEqual(['+x', '-x']);
});
