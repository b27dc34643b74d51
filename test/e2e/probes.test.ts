/** Probes are about the daemon and nothing else: a key service that says nothing neither slows them nor hears of them. */

import { Client, credentials, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import { awsFolder, startAwsDaemon } from '../support/aws-tenant.ts';
import { connect } from '../support/client.ts';
import { definitionOf } from '../support/client-definitions.ts';
import type { Daemon } from '../support/daemon.ts';
import type { DaemonFolder } from '../support/daemon-folder.ts';
import { runPaced } from '../support/paced-load.ts';
import { processorSeconds } from '../support/process-usage.ts';

/** Each kind of probe comes as often as this in a second, for so many seconds. */
const [rate, seconds] = [100, 4];
/** An answer takes a millisecond; a machine that is busy adds what it likes, but Kubernetes waits no longer than this. */
const slowestMs = 1000;

let aws: AwsSimulator;
let folder: DaemonFolder;
let daemon: Daemon;
let health: Client;
beforeAll(async () => {
  aws = await startAwsSimulator();
  aws.faults.add({ fault: { kind: 'hang' } });
  // One call waits for as long as the test takes, without another attempt.
  const more = '  limits: { kms_timeout_ms: 60000 }';
  folder = await awsFolder(aws, [{ id: 'hanging', keyArn: aws.createKey().arn, more }]);
  daemon = await startAwsDaemon(aws, folder);
  health = new Client(daemon.socket, credentials.createInsecure());
});
afterAll(async () => {
  health.close();
  await daemon[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  await aws[Symbol.asyncDispose]();
});

/** 0 for an answer of 200. */
const http = (path: string) => async () => {
  const answer = await fetch(daemon.http + path);
  await answer.arrayBuffer();
  return answer.status === 200 ? 0 : 1;
};

/** 0 for SERVING. */
function check(): Promise<number> {
  const { path, requestSerialize, responseDeserialize } = definitionOf('/grpc.health.v1.Health/Check');
  return new Promise((done) => {
    health.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service: '' }, (error, answer) =>
      done(error === null && (answer as { status?: unknown }).status === 'SERVING' ? 0 : 1),
    );
  });
}

test('a hundred probes of each kind a second are answered at once, at little cost, and no key service sees them', async () => {
  using client = connect(daemon.socket);
  const plaintext = Buffer.from('x');
  const waiting = client.error('Encrypt', { tenant_id: 'hanging', plaintext }, { deadline: Date.now() + 500 });
  expect((await waiting).code).toBe(status.DEADLINE_EXCEEDED);
  const before = aws.calls.length;
  expect(before).toBeGreaterThan(0);
  const pid = daemon.process.pid ?? 0;
  const spent = await processorSeconds(pid);
  const probes = { livez: http('/livez'), readyz: http('/readyz'), check };
  const results = await Promise.all(
    Object.entries(probes).map(async ([name, call]) => {
      const records = await runPaced({ rate, seconds, maxInFlight: rate * seconds, call });
      return { name, ok: records.count(0), isQuick: records.quantile(0.99) < slowestMs };
    }),
  );
  const share = ((await processorSeconds(pid)) - spent) / seconds;
  expect(results).toEqual(Object.keys(probes).map((name) => ({ name, ok: rate * seconds, isQuick: true })));
  // All three kinds together, in shares of one core.
  expect(share).toBeLessThan(0.35);
  expect(aws.calls.slice(before)).toEqual([]);
});
