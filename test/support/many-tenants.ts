/** One daemon with so many customers that whatever costs something for each of them shows, and one of them who says no. */
import { readFile } from 'node:fs/promises';
import { startAwsSimulator } from '../simulators/aws/server.ts';
import { awsFolder, startAwsDaemon } from './aws-tenant.ts';
import { connect, type KeyProxyClient } from './client.ts';
import { toldBy } from './client-errors.ts';

export interface ManyTenants {
  /** How many there are. */
  readonly tenants: number;
  /** How many of them call while one of them is refused; spread over all. */
  readonly callers: number;
}

export interface ManySeen {
  readonly readyMs: number;
  /** MiB in memory: when it was ready, and at the end. */
  readonly residentAtStart: number;
  readonly residentAtEnd: number;
  /** Calls of the first and the last tenant, in milliseconds. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** What the refused tenant was told after its no, with a new context and then with a cached one. */
  readonly refused: readonly string[];
  /** How many others called after the no. */
  readonly others: number;
  /** Calls that failed before the no, and those of others after it. */
  readonly failures: readonly string[];
}

/** Most calls at a time. */
const inFlight = 32;
const mib = 2 ** 20;

/** Serves them, lets the middle one of the callers be refused, and looks at the others. */
export async function seeMany({ tenants, callers }: ManyTenants): Promise<ManySeen> {
  await using stack = new AsyncDisposableStack();
  const aws = stack.use(await startAwsSimulator());
  const keys = Array.from({ length: tenants }, () => aws.createKey());
  const folder = stack.use(
    await awsFolder(
      aws,
      keys.map(({ arn }, index) => ({ id: idOf(index), keyArn: arn })),
    ),
  );
  const start = performance.now();
  const daemon = stack.use(await startAwsDaemon(aws, folder, { KEYPROXY_LOG_LEVEL: 'fatal' }));
  const readyMs = performance.now() - start;
  const pid = daemon.process.pid ?? 0;
  const residentAtStart = await residentMib(pid);
  const client = stack.use(connect(daemon.socket));
  const firstMs = await timed(() => encrypt(client, 0));
  const lastMs = await timed(() => encrypt(client, tenants - 1));
  const all = Array.from({ length: callers }, (_, index) => Math.floor((index * tenants) / callers));
  const [chosen = 0] = all.slice(callers / 2);
  const failures: string[] = [];
  const toCall = async (index: number) => {
    const reason = await reasonOf(client, index);
    if (reason !== 'ok') failures.push(`${idOf(index)}: ${reason}`);
  };
  await forAll(all, toCall);
  keys[chosen]?.disable();
  const refused = [await reasonOf(client, chosen, 'new'), await reasonOf(client, chosen)];
  const others = all.filter((index) => index !== chosen);
  await forAll(others, toCall);
  const residentAtEnd = await residentMib(pid);
  return { readyMs, residentAtStart, residentAtEnd, firstMs, lastMs, refused, others: others.length, failures };
}

/** What was seen, in a line. */
export function manyLine({ tenants, callers }: ManyTenants, seen: ManySeen): string {
  const { readyMs, residentAtStart, residentAtEnd, firstMs, lastMs } = seen;
  const [ready, first, last] = [readyMs, firstMs, lastMs].map((ms) => ms.toFixed(0));
  return (
    `${tenants} tenants: ready after ${ready} ms with ${residentAtStart.toFixed(0)} MiB, first ${first} ms, last ${last} ms; ` +
    `${residentAtEnd.toFixed(0)} MiB once ${callers} have called`
  );
}

function idOf(index: number): string {
  return `tenant-${index}`;
}

function encrypt(client: KeyProxyClient, index: number, purpose = 'usual'): Promise<object> {
  const request = { tenant_id: idOf(index), encryption_context: { purpose }, plaintext: Buffer.from('x') };
  return client.call('Encrypt', request);
}

function reasonOf(client: KeyProxyClient, index: number, purpose?: string): Promise<string> {
  return encrypt(client, index, purpose).then(
    () => 'ok',
    (error) => {
      const { reason, metadata } = toldBy(error);
      return [reason, metadata['provider_code']].filter(Boolean).join(' ');
    },
  );
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

async function forAll(indexes: readonly number[], run: (index: number) => Promise<void>): Promise<void> {
  const left = indexes.values();
  const worker = async () => {
    for (const index of left) await run(index);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / mib;
}
