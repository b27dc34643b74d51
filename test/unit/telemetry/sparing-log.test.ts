import { expect, test } from 'vitest';
import { SparingLog } from '../../../src/telemetry/sparing-log.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function bench() {
  const clock = new FakeClock();
  const log = new SparingLog(clock);
  const lines: string[] = [];
  const tell = (kind: string) => log.tell(kind, (leftOut) => lines.push(`${kind} ${leftOut}`));
  return { clock, lines, tell };
}

test('one line of a kind in ten seconds is told, with how many were left out before it', () => {
  const { clock, lines, tell } = bench();
  for (let i = 0; i < 5; i++) tell('a');
  tell('b');
  clock.advance(9_999);
  tell('a');
  expect(lines).toEqual(['a 0', 'b 0']);
  clock.advance(1);
  tell('a');
  tell('a');
  expect(lines).toEqual(['a 0', 'b 0', 'a 5']);
});

test('kinds without number do not fill the memory', () => {
  const { lines, tell } = bench();
  for (let i = 0; i < 3_000; i++) tell(`kind ${i}`);
  tell('kind 2999');
  expect(lines).toHaveLength(3_000);
});
