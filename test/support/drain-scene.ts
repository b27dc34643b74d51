/**
 * A busy daemon at its end. A call counts as accepted once the daemon's own metric has seen it; the network to the key
 * services holds all of them until the signal has come.
 */
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { expect, vi } from 'vitest';
import type { AwsSimulator } from '../simulators/aws/server.ts';
import { type AwsTenantOptions, awsFolder, startAwsDaemon } from './aws-tenant.ts';
import { methodOf } from './client.ts';
import { definitionOf } from './client-definitions.ts';
import { toldBy } from './client-errors.ts';
import { readMetrics } from './client-metrics.ts';
import type { Daemon } from './daemon.ts';
import { startTcpFaultProxy, type TcpFaultProxy } from './tcp-fault-proxy.ts';

/** One call to a key service each. */
const contexts = 8;
/** How long the key services take after the signal, in milliseconds. */
const latencyMs = 800;
/** What the daemon grants its calls, and what a busy machine may add to it, in milliseconds. */
export const [graceMs, marginMs] = [5_000, 1_000];

/** A busy daemon. */
export interface Scene extends AsyncDisposable {
  readonly daemon: Daemon;
  /** The network between the daemon and its key services; it holds everything back. */
  readonly network: TcpFaultProxy;
  /** Connections to each of the daemon's listeners. */
  readonly clients: readonly Client[];
}

/** A daemon for these tenants whose key services may take longer than its end does. */
export async function sceneOf(
  aws: AwsSimulator,
  tenants: readonly Pick<AwsTenantOptions, 'id' | 'keyArn'>[],
): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const network = stack.use(await startTcpFaultProxy(new URL(aws.endpoint).host));
  const patient = tenants.map((tenant) => ({ ...tenant, more: '  limits: { kms_timeout_ms: 20000 }' }));
  const folder = stack.use(await awsFolder({ ...aws, endpoint: `http://${network.address}` }, patient));
  const daemon = stack.use(await startAwsDaemon(aws, folder));
  await network.become({ kind: 'blackhole' });
  const clients = [daemon.socket, daemon.tcp].flatMap((target) =>
    Array.from({ length: 5 }, () => {
      const client = new Client(target, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
      stack.defer(() => client.close());
      return client;
    }),
  );
  const rest = stack.move();
  return { daemon, network, clients, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

/** The answer of a call, or the error in its place. */
type End = { readonly answer: object } | { readonly error: ServiceError };

function encrypt(client: Client, tenant: string, index: number): Promise<End> {
  const { path, requestSerialize, responseDeserialize } = methodOf('Encrypt');
  const metadata = new Metadata();
  metadata.set('keyproxy-request', 'true');
  const encryption_context = { purpose: `purpose-${index % contexts}` };
  const request = { tenant_id: tenant, plaintext: Buffer.from('x'), encryption_context };
  return new Promise((done) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, (error, answer = {}) =>
      done(error === null ? { answer } : { error }),
    );
  });
}

/** All that a health watch says, and the code of its end. */
export function watch(client: Client): Promise<{ said: unknown[]; code: number }> {
  const { path, requestSerialize, responseDeserialize } = definitionOf('/grpc.health.v1.Health/Watch');
  const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: '' });
  const said: unknown[] = [];
  stream.on('data', (answer: { status: unknown }) => said.push(answer.status));
  return new Promise((done) => {
    stream.on('error', (error: ServiceError) => done({ said, code: error.code }));
    stream.on('end', () => done({ said, code: status.OK }));
  });
}

/** Sends `calls` calls, spread over clients and tenants, and returns how they will end once all are accepted. */
export async function accepted(
  { daemon, clients }: Scene,
  tenants: readonly string[],
  calls: number,
): Promise<Promise<Map<string, number>>[]> {
  const ends = new Map<string, Promise<End>[]>(tenants.map((tenant) => [tenant, []]));
  for (let index = 0; index < calls; index++) {
    const tenant = tenants[index % tenants.length] ?? '';
    const client = clients[index % clients.length];
    if (client !== undefined) ends.get(tenant)?.push(encrypt(client, tenant, index));
  }
  const seen = async () =>
    (await readMetrics(daemon.http)).sum('grpc_server_started_total', { grpc_method: 'Encrypt' });
  await vi.waitFor(async () => expect(await seen()).toBe(calls), { timeout: 30_000, interval: 100 });
  return [...ends.values()].map(async (all) => tally(await Promise.all(all)));
}

/** How many calls ended in which way. */
function tally(ends: readonly End[]): Map<string, number> {
  const counts = new Map<string, { count: number; end: End }>();
  for (const end of ends) {
    const details = 'error' in end ? end.error.metadata.get('grpc-status-details-bin')[0]?.toString('latin1') : '';
    const name = 'error' in end ? `${end.error.code} ${end.error.details} ${details}` : 'answer';
    counts.set(name, { end, count: (counts.get(name)?.count ?? 0) + 1 });
  }
  return new Map([...counts.values()].map(({ count, end }) => [describeEnd(end), count]));
}

function describeEnd(end: End): string {
  if ('answer' in end) return 'ciphertext' in end.answer ? 'answered' : 'empty';
  const { code, reason, message } = toldBy(end.error);
  return `${status[code]} ${reason || message}`;
}

/** Signals the end, lets the key services answer a while after it, and tells the exit code and how long it took. */
export async function drained({ daemon, network }: Scene): Promise<{ code: number | null; milliseconds: number }> {
  const stopped = daemon.stop();
  await new Promise((done) => setTimeout(done, latencyMs));
  await network.become({ kind: 'pass' });
  return { code: await stopped, milliseconds: timeOfEnd(daemon) };
}

/** From the signal to the end by the daemon's own log: this process is busy with ten thousand answers meanwhile. */
export function timeOfEnd(daemon: Daemon): number {
  const at = (message: string) => {
    const line = daemon
      .output()
      .split('\n')
      .find((text) => text.includes(`"msg":"${message}"`));
    return Date.parse((JSON.parse(line ?? '{}') as { time?: string }).time ?? '');
  };
  return at('keyproxy has stopped') - at('keyproxy is stopping');
}
