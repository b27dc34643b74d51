/**
 * A tenant whose key was not proven for too long, in this process, because a minute is the shortest bound: the engine,
 * the log, the metrics and the audit log are those of the daemon, only the clock and the key service are not.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { decrypt } from '../../src/operations/decrypt.ts';
import type { Engine } from '../../src/operations/engine.ts';
import { wireStatus } from '../../src/rpc/status.ts';
import { engineEvents } from '../../src/telemetry/engine-events.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { openLog } from './audit-log.ts';
import { temporaryFolder } from './daemon.ts';
import { caller, pairs, rejection } from './fake-engine.ts';
import { FakeKeyService } from './fake-key-service.ts';
import { sent } from './leak-scene.ts';
import type { Sinks } from './leak-sinks.ts';
import { WatchedEngine } from './watched-engine.ts';

/** Opens a message of an unproven tenant; resolves with the reason of the failure. */
export async function openUnproven(sinks: Sinks): Promise<string> {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'audit.jsonl');
  const { log: audit } = await openLog({ path });
  const lines: string[] = [];
  const log = createLog('trace', { write: (line) => void lines.push(line) });
  const metrics = createMetrics({
    ...{ cacheEntries: () => 0, credentialExpiries: () => [], openCircuits: () => [] },
    auditEntries: () => ({ written: 0, refused: 0, lost: 0 }),
  });
  const world = new WatchedEngine();
  const engine: Engine = { ...world.engine, observer: engineEvents(metrics, log, systemClock), audit };
  const key = new FakeKeyService('cmk');
  world.watch({ current: key, more: '  limits: { max_unproven_seconds: 60 }' });
  const context = { purpose: sent.contextValue.text };
  const { ciphertext } = await world.encrypt('a', sent.plaintext.bytes, { context });
  key.fault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
  await world.pass(120_000);
  const request = { tenantId: 'a', ciphertext, encryptionContext: pairs(context), associatedData: Buffer.alloc(0) };
  const error = await rejection(decrypt(engine)(caller, request, new AbortController().signal));
  await audit[Symbol.asyncDispose]();
  const { message, details } = wireStatus(error);
  sinks.add('unproven: error', message);
  sinks.add('unproven: error', details);
  sinks.add('unproven: log', lines.join(''));
  sinks.add('unproven: metrics', await metrics.registry.metrics());
  sinks.add('unproven: audit', await readFile(path));
  return error.reason;
}
