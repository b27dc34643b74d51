/** Traces are put around the parts of the data plane, or they are not there at all. */
import { expect, test } from 'vitest';
import type { KeyOpener } from '../../../src/app/key-services.ts';
import { tracedKeys } from '../../../src/app/traced-keys.ts';
import { openTracing, type Parts, withTracing } from '../../../src/app/tracing.ts';
import { EncryptionContext } from '../../../src/base/encryption-context.ts';
import { parseDaemonFile } from '../../../src/config/daemon-file.ts';
import { guarded } from '../../../src/kms/guarded.ts';
import { observed } from '../../../src/kms/observed.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import type { KeyCall, KeyCallEnd } from '../../../src/telemetry/span-key-call.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';

const config = (tracing: string) => {
  const read = parseDaemonFile(`tenants: { directory: /t }\n${tracing}`, '/keyproxy.yaml', {});
  if (read.config === undefined) throw new Error('the file is wrong');
  return read.config;
};

function surroundings() {
  const sources = {
    ...{ cacheEntries: () => 0, credentialExpiries: () => [], openCircuits: () => [] },
    auditEntries: () => ({ written: 0, refused: 0, lost: 0 }),
  };
  return { metrics: createMetrics(sources), log: createLog('fatal'), clock: new FakeClock() };
}

const parts: Parts = {
  services: { open: () => Promise.reject(new Error('no key')) },
  observer: {
    ...{ cacheAsked() {}, dekGenerated() {}, failedOver() {} },
    ...{ decryptionEnded() {}, accessDenied() {}, operationFailed() {} },
  },
  calls: { started() {}, handled() {}, failed() {}, broke() {}, turnedAway() {} },
};

test('without traces the parts are the very same ones, and nothing is beside them', async () => {
  await using opened = await openTracing(config(''), surroundings());
  expect(opened.tracing).toBeUndefined();
  const found = withTracing(opened.tracing, parts);
  expect(found.services).toBe(parts.services);
  expect(found.observer).toBe(parts.observer);
  expect(found.calls).toBe(parts.calls);
  expect(Object.keys(found).sort()).toEqual(['calls', 'observer', 'services']);
});

test('with traces something is put around each', async () => {
  const text = 'tracing: { endpoint: "http://127.0.0.1:4318/v1/traces" }';
  await using opened = await openTracing(config(text), surroundings());
  const found = withTracing(opened.tracing, parts);
  expect(found.services).not.toBe(parts.services);
  expect(found.observer).not.toBe(parts.observer);
  expect(found).toMatchObject({ flights: expect.anything(), around: expect.anything(), follower: expect.anything() });
});

test('calls by all ways but the canary’s are told, each with its attempts', async () => {
  const clock = new FakeClock();
  const [calls, attempts]: [KeyCall[], KeyCallEnd[]] = [[], []];
  const key = new FakeKeyService('a-key');
  const opener: KeyOpener = {
    async open(_config, { report }) {
      const services = { calls: observed(key, clock, report), canary: observed(key, clock, report, 'canary') };
      return guarded(services, { clock, random: () => 0, timeoutMs: 1000, callsPerSecond: 100, concurrency: 10 });
    },
  };
  const traced = tracedKeys(opener, {
    async keyCall(call, run) {
      calls.push(call);
      return await run();
    },
    attempted: (end) => attempts.push(end),
  });
  const reported: string[] = [];
  await using opened = await traced.open(
    { provider: 'local', keyName: 'a-key', keyFile: '/a' },
    {
      ...{ tenantId: 'acme', timeoutMs: 1000, callsPerSecond: 100, concurrency: 10, intervalMs: 1000 },
      report: ({ operation }) => reported.push(operation),
    },
  );
  const request = { length: 32, context: EncryptionContext.of([]), signal: new AbortController().signal };
  for (const way of [opened.live, opened.background, opened.canary]) {
    using _made = (await way.generate(request)).plaintext;
  }
  expect(calls.map(({ way, operation, tenant }) => [way, operation, tenant])).toEqual([
    ['live', 'generate', 'acme'],
    ['background', 'generate', 'acme'],
  ]);
  expect(attempts).toEqual([{ outcome: 'ok' }, { outcome: 'ok' }]);
  expect(reported).toEqual(['generate', 'generate', 'canary']);
  expect(opened.live.keyId).toBe('a-key');
});
