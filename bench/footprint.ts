/**
 * How long a start takes and what an idle daemon weighs: keyproxy with one AWS tenant beside a bare grpc-js server,
 * both bundled alike, in turns. The tenant's key lives in the simulator, which runs in this process.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAwsSimulator } from '../test/simulators/aws/server.ts';
import { median, memory } from './machine.ts';
import { RawClient } from './raw-client.ts';
import { untilReady } from './ready.ts';
import { ownFolder, type ServerProcess, startFloor, startKeyproxy } from './server-process.ts';

const tenantId = 'tenant_12345';
/** How long a server is left alone before its memory is read, in milliseconds. */
const idleMs = 3000;

/** One figure of both servers. */
export interface FootprintResult {
  readonly name: string;
  readonly unit: 'ms' | 'MiB';
  /** keyproxy's figure may be so many times the floor's; absent where nothing is demanded. */
  readonly target?: number;
  readonly floor: number;
  readonly keyproxy: number;
  readonly ratio: number;
}

/** Starts a server in a folder of its own. */
type Start = (folder: string) => Promise<ServerProcess>;

interface Both {
  readonly floor: Start;
  readonly keyproxy: Start;
}

/** Median of `runs` starts each, from the spawn to the first call that succeeds. */
export async function measureStart(runs: number): Promise<FootprintResult[]> {
  await using world = await startWorld();
  const figures: Record<ServerProcess['name'], number[]> = { floor: [], keyproxy: [] };
  for (let run = 0; run < runs; run++) {
    for (const name of run % 2 === 0 ? (['floor', 'keyproxy'] as const) : (['keyproxy', 'floor'] as const)) {
      await using folder = await ownFolder();
      const start = performance.now();
      await using server = await world[name](folder.path);
      await untilReady(server, tenantId);
      figures[name].push(performance.now() - start);
    }
  }
  return [compared('start to first call', 'ms', { ...figures, target: 2 })];
}

/** Median memory of `runs` servers each, idle after they have served a tenant. */
export async function measureMemory(runs: number): Promise<FootprintResult[]> {
  await using world = await startWorld();
  const rss: Record<ServerProcess['name'], number[]> = { floor: [], keyproxy: [] };
  const pss: Record<ServerProcess['name'], number[]> = { floor: [], keyproxy: [] };
  for (let run = 0; run < runs; run++) {
    for (const name of ['floor', 'keyproxy'] as const) {
      await using folder = await ownFolder();
      await using server = await world[name](folder.path);
      await untilReady(server, tenantId);
      await serveOnce(server);
      await sleep(idleMs);
      const read = memory(server.pid);
      rss[name].push(read.rss);
      pss[name].push(read.pss);
    }
  }
  return [
    compared('idle memory (RSS)', 'MiB', { ...rss, target: 1.4 }),
    compared('idle memory (PSS)', 'MiB', { ...pss }),
  ];
}

async function serveOnce(server: ServerProcess): Promise<void> {
  using client = new RawClient(server.socket);
  const plaintext = Buffer.from('one record');
  const request = { tenant_id: tenantId, encryption_context: { purpose: 'orders' } };
  const encrypted = await client.call<{ ciphertext: Buffer }>('Encrypt', { ...request, plaintext });
  if (server.name === 'floor') return;
  const { ciphertext } = encrypted.answer;
  const opened = await client.call<{ plaintext: Buffer }>('Decrypt', { ...request, ciphertext });
  if (!opened.answer.plaintext.equals(plaintext)) throw new Error('the tenant was not served');
}

/** Where both servers live: a simulated AWS with one key, and how to start each. */
async function startWorld(): Promise<Both & AsyncDisposable> {
  const aws = await startAwsSimulator();
  const key = aws.createKey();
  const env = {
    AWS_ACCESS_KEY_ID: aws.platform.accessKeyId,
    AWS_SECRET_ACCESS_KEY: aws.platform.secretAccessKey,
  };
  return {
    floor: (folder) => startFloor({ folder, isPinned: false, answers: {}, isCounting: false }),
    async keyproxy(folder) {
      await writeFile(join(folder, 'tenant.yaml'), tenantFile(key.arn, aws.endpoint));
      await writeFile(join(folder, 'daemon.conf'), daemonFile(folder, aws.endpoint));
      return startKeyproxy({ folder, isPinned: false, args: ['--config', 'daemon.conf'], env });
    },
    [Symbol.asyncDispose]: () => aws[Symbol.asyncDispose](),
  };
}

function tenantFile(keyArn: string, endpoint: string): string {
  return `customer: acme_corp
tenant_id: ${tenantId}
encryption:
  provider: aws_kms
  aws_kms:
    key_arn: ${keyArn}
    endpoint: ${endpoint}
`;
}

function daemonFile(folder: string, endpoint: string): string {
  return `listen:
  - unix: ${join(folder, 'keyproxy.sock')}
    transport: grpc-js
tenants:
  directory: ${folder}
trusted_endpoints: [${endpoint}]
`;
}

function compared(
  name: string,
  unit: FootprintResult['unit'],
  figures: Record<ServerProcess['name'], readonly number[]> & { readonly target?: number },
): FootprintResult {
  const [floor, keyproxy] = [median(figures.floor), median(figures.keyproxy)];
  const { target } = figures;
  return { name, unit, floor, keyproxy, ratio: keyproxy / floor, ...(target !== undefined && { target }) };
}
