/** When a server is there: its first call that succeeds, tried again and again until then. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ending, LoadConnection, type Target } from './load/connection.ts';
import { grpcMessage } from './load/frames.ts';
import { pathOf, requestBytes } from './raw-client.ts';
import type { ServerProcess } from './server-process.ts';

/** Wait between two tries, in milliseconds: the grain of the measurement. */
const grainMs = 2;
const deadlineMs = 20_000;

/**
 * Resolves at the first answer that carries a message: a call that fails has none. Asks for the state of `tenantId`,
 * which keyproxy answers only for a tenant that it serves. Rejects where the process ends, or takes 20 s.
 */
export async function untilReady(server: ServerProcess, tenantId: string): Promise<void> {
  const request = requestBytes('DescribeTenant', { tenant_id: tenantId });
  const target: Target = { socket: server.socket, path: pathOf('DescribeTenant'), body: grpcMessage(request) };
  const deadline = performance.now() + deadlineMs;
  while (performance.now() < deadline) {
    if (server.process.exitCode !== null) throw new Error(`${server.name} ended at its start`);
    if (await succeeds(target)) return;
    await sleep(grainMs);
  }
  throw new Error(`${server.name} was not ready in time`);
}

async function succeeds(target: Target): Promise<boolean> {
  let tell: (ending: Ending) => void = () => {};
  const ended = new Promise<Ending>((done) => {
    tell = done;
  });
  const connection = await LoadConnection.open(target, tell).catch(() => undefined);
  if (connection === undefined) return false;
  connection.start(1);
  const { bytes } = await ended;
  connection.close();
  return bytes > 0;
}
