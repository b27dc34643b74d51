/** Sending spans to a collector on loopback: what is bounded, what is counted, and who waits for what. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { ROOT_CONTEXT } from '@opentelemetry/api';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { expect, test } from 'vitest';
import { maxBatch, maxQueue, type SpanOutcome, SpanSender } from '../../../src/telemetry/span-sender.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type CollectorMood, startCollector } from '../../support/otlp-collector.ts';

async function openScene(mood: CollectorMood = 'takes') {
  const clock = new FakeClock();
  const collector = await startCollector(mood);
  const counts: Record<SpanOutcome, number> = { sent: 0, queue_full: 0, failed: 0 };
  const changes: string[] = [];
  const sender = new SpanSender({
    ...{ endpoint: collector.endpoint, clock },
    counted: (outcome, spans) => {
      counts[outcome] += spans;
    },
    onChange: (state, why) => changes.push(why === undefined ? state : `${state}: ${why}`),
  });
  const tracer = new TracerProvider({ spanProcessors: [sender] }).getTracer('test');
  return {
    ...{ clock, collector, counts, changes, sender },
    end(count: number) {
      for (let index = 0; index < count; index++) tracer.startSpan(`span ${index}`, {}, ROOT_CONTEXT).end();
    },
    async until(isSo: () => boolean) {
      await expect.poll(isSo, { timeout: 10_000, interval: 5 }).toBe(true);
    },
    async [Symbol.asyncDispose]() {
      await collector[Symbol.asyncDispose]();
    },
  };
}

test('a few spans wait for others, many do not', async () => {
  await using scene = await openScene();
  scene.end(2);
  expect(scene.collector.bodies).toEqual([]);
  scene.clock.advance(1000);
  expect(await scene.collector.until(2)).toHaveLength(2);
  scene.end(maxBatch);
  expect(await scene.collector.until(2 + maxBatch)).toHaveLength(2 + maxBatch);
  await scene.until(() => scene.counts.sent === 2 + maxBatch);
  expect(scene.collector.bodies).toHaveLength(2);
  expect(scene.changes).toEqual([]);
});

test('while a collector is silent the line is bounded, one request is under way, and the rest is counted', async () => {
  await using scene = await openScene('hangs');
  scene.end(maxBatch + maxQueue + 7);
  await scene.until(() => scene.collector.bodies.length > 0);
  expect(scene.counts).toEqual({ sent: 0, queue_full: 7, failed: 0 });
  expect(scene.collector.bodies).toHaveLength(1);
});

test('the end waits for a silent collector for a second, and no span stays uncounted', async () => {
  await using scene = await openScene('hangs');
  scene.end(maxBatch + 3);
  let isOver = false;
  const over = scene.sender[Symbol.asyncDispose]().then(() => {
    isOver = true;
  });
  await scene.until(() => scene.collector.bodies.length > 0);
  scene.clock.advance(999);
  expect(isOver).toBe(false);
  scene.clock.advance(1);
  await over;
  expect(scene.counts).toEqual({ sent: 0, queue_full: 0, failed: maxBatch + 3 });
  scene.end(1);
  expect(scene.counts.queue_full).toBe(1);
  expect(scene.clock.timers).toBe(0);
});

test('the end sends what is left', async () => {
  await using scene = await openScene();
  scene.end(maxBatch + 3);
  await scene.sender[Symbol.asyncDispose]();
  expect(scene.counts).toEqual({ sent: maxBatch + 3, queue_full: 0, failed: 0 });
  expect(scene.collector.spans).toHaveLength(maxBatch + 3);
});

test('what the end cuts short is no word about the collector', async () => {
  await using scene = await openScene('hangs');
  scene.end(maxBatch + 3);
  const over = scene.sender[Symbol.asyncDispose]();
  await scene.until(() => scene.collector.bodies.length > 0);
  scene.clock.advance(1000);
  await over;
  expect(scene.changes).toEqual([]);
});

test('a redirect is not followed, and told by its status', async () => {
  await using scene = await openScene(307);
  scene.end(maxBatch);
  await scene.until(() => scene.counts.failed === maxBatch);
  expect(scene.changes).toEqual(['failing: HTTP 307']);
  expect(scene.collector.bodies).toHaveLength(1);
});

test('an answer that is not HTTP is told by a word for that', async () => {
  await using scene = await openScene();
  const server = createServer((socket) => socket.end('hunter2\r\n\r\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const changes: string[] = [];
  const sender = new SpanSender({
    ...{ endpoint: `http://127.0.0.1:${port}/v1/traces`, clock: scene.clock, counted: () => {} },
    onChange: (state, why) => changes.push(`${state}: ${why}`),
  });
  new TracerProvider({ spanProcessors: [sender] }).getTracer('test').startSpan('span', {}, ROOT_CONTEXT).end();
  await sender[Symbol.asyncDispose]();
  server.close();
  expect(changes).toEqual([expect.stringMatching(/^failing: (?:HTTPParserError|HPE_\w+)$/)]);
});

test('after a failure the next request waits, also where many spans come, and each change is told once', async () => {
  await using scene = await openScene(503);
  scene.end(maxBatch);
  await scene.until(() => scene.counts.failed === maxBatch);
  scene.end(2 * maxBatch);
  await new Promise((done) => setImmediate(done));
  expect(scene.collector.bodies).toHaveLength(1);
  scene.clock.advance(1000);
  await scene.until(() => scene.counts.failed === 2 * maxBatch);
  scene.collector.mood = 'takes';
  await scene.until(() => scene.clock.timers > 0);
  scene.clock.advance(1000);
  await scene.until(() => scene.counts.sent === maxBatch);
  expect(scene.changes).toEqual(['failing: HTTP 503', 'working']);
});

test.each<[string, (endpoint: string) => string, RegExp]>([
  ['nobody listens', () => 'http://127.0.0.1:2/v1/traces', /^failing: ECONNREFUSED$/],
  ['the port is one that fetch never asks', () => 'http://127.0.0.1:6000/v1/traces', /^failing: bad port$/],
  ['the path is another', (endpoint) => endpoint.replace('traces', 'other'), /^failing: HTTP 404$/],
])('where %s the word for it holds nothing that was sent', async (_what, place, word) => {
  await using scene = await openScene();
  const changes: string[] = [];
  const sender = new SpanSender({
    ...{ endpoint: place(scene.collector.endpoint), clock: scene.clock, counted: () => {} },
    onChange: (state, why) => changes.push(`${state}: ${why}`),
  });
  new TracerProvider({ spanProcessors: [sender] }).getTracer('test').startSpan('span', {}, ROOT_CONTEXT).end();
  await sender[Symbol.asyncDispose]();
  expect(changes).toEqual([expect.stringMatching(word)]);
});
