import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { TallyCounter } from '../../../src/telemetry/tally.ts';

function counter() {
  const registry = new Registry();
  const events = new TallyCounter({ registers: [registry], name: 'events', help: 'Events.', labelNames: ['kind'] });
  const lines = async () => (await registry.metrics()).split('\n').filter((line) => line.startsWith('events'));
  return { events, lines };
}

test('events of a tally show whenever somebody asks, each once', async () => {
  const { events, lines } = counter();
  const red = events.tally({ kind: 'red' });
  red.inc();
  red.inc();
  expect(await lines()).toEqual(['events{kind="red"} 2']);
  red.inc();
  expect(await lines()).toEqual(['events{kind="red"} 3']);
  expect(await lines()).toEqual(['events{kind="red"} 3']);
});

test('tallies of the same labels add up, and one without an event shows nothing', async () => {
  const { events, lines } = counter();
  events.tally({ kind: 'red' }).inc();
  events.tally({ kind: 'red' }).inc();
  events.tally({ kind: 'blue' });
  expect(await lines()).toEqual(['events{kind="red"} 2']);
});
