/** The end of a busy daemon; `npm run test:long` has it with ten thousand calls under way. */
import { Client, credentials, status } from '@grpc/grpc-js';
import { expect, test, vi } from 'vitest';
import { readMetrics } from '../support/client-metrics.ts';
import { startDaemon } from '../support/daemon.ts';
import { drainContract } from '../support/drain.contract.ts';
import { graceMs, marginMs, timeOfEnd, watch } from '../support/drain-scene.ts';
import { startTcpFaultProxy } from '../support/tcp-fault-proxy.ts';

drainContract(1_000, test.concurrent);

test.concurrent.each(['half-open', 'blackhole'] as const)(
  'a peer behind a network that is %s does not put the end off',
  async (kind) => {
    await using daemon = await startDaemon();
    await using between = await startTcpFaultProxy(daemon.tcp);
    const silent = new Client(between.address, credentials.createInsecure());
    const ended = watch(silent);
    await vi.waitFor(() => expect(between.open).toBe(1), { timeout: 5_000 });
    const watching = async () =>
      (await readMetrics(daemon.http)).sum('grpc_server_started_total', { grpc_method: 'Watch' });
    await vi.waitFor(async () => expect(await watching()).toBe(1), { timeout: 5_000 });
    await between.become({ kind });
    expect(await daemon.stop()).toBe(0);
    expect(timeOfEnd(daemon)).toBeLessThan(graceMs + marginMs);
    await between.become({ kind: 'reset' });
    expect((await ended).code).toBe(status.UNAVAILABLE);
    silent.close();
  },
);
