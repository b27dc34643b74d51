/**
 * keyproxy's Unwrap of a data key that it has in its cache, as a contest of its transports: one daemon, one file of
 * configuration, and the listener's `transport` is all that differs. Both have the same key, so they open the same.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { createLocalKeyFile } from '../src/kms/local/key-file.ts';
import type { Contest, ContestServer } from './contest.ts';
import { decodedAnswer, pathOf, RawClient } from './raw-client.ts';
import { untilReady } from './ready.ts';
import { startKeyproxy } from './server-process.ts';

/** What can stand as `transport` of a listener. */
export type Transport = 'native' | 'grpc-js';

const tenantId = 'demo';
const call = { tenant_id: tenantId, encryption_context: { purpose: 'orders' } };

interface Generated {
  readonly plaintext: Buffer;
  readonly wrapped_dek: Buffer;
}

/** Makes key and tenant in `folder`, which has to stay, and a wrapped data key. `source` is one of the contract's. */
export async function unwrapContest(folder: string, source: string): Promise<Contest> {
  await mkdir(join(folder, 'tenants'), { recursive: true });
  await createLocalKeyFile(join(folder, 'cmk.key'));
  await writeFile(join(folder, 'tenants', 'tenant.yaml'), tenantFile(folder, { isRecorded: false }));
  return {
    name: `Unwrap, cached, ${source}`,
    path: pathOf('Unwrap'),
    ...(await generated(folder, source)),
    entrants: [
      { name: 'native', start: (own) => startUnwrap({ world: folder, folder: own, transport: 'native' }) },
      { name: 'grpc-js', start: (own) => startUnwrap({ world: folder, folder: own, transport: 'grpc-js' }) },
    ],
    targets: [{ of: 'native', over: 'grpc-js', atLeast: 4 }],
  };
}

export interface UnwrapOptions {
  /** Where key and tenant are. */
  readonly world: string;
  /** The daemon's own folder. */
  readonly folder: string;
  readonly transport: Transport;
  readonly env?: NodeJS.ProcessEnv;
  /** The program's file; the built bundle where none is given. */
  readonly program?: string;
  /** What stands in the daemon's file beside, and at its listener. */
  readonly guard?: { readonly settings: string; readonly listener: string };
  /** Whether Node's options in `env` hold, a profiler's among them: the process is not hardened then. */
  readonly isUnhardened?: boolean;
}

/** Starts the daemon and waits until it serves the tenant. */
export async function startUnwrap(options: UnwrapOptions): Promise<ContestServer> {
  const { world, folder, transport, guard, isUnhardened = false, ...more } = options;
  await writeFile(join(folder, 'daemon.conf'), daemonFile(options));
  if (guard !== undefined) {
    await mkdir(join(folder, 'tenants'));
    await writeFile(join(folder, 'tenants', 'tenant.yaml'), tenantFile(world, { isRecorded: true }));
  }
  const args = ['--config', 'daemon.conf', ...(isUnhardened ? ['--no-hardening'] : [])];
  const server = await startKeyproxy({ folder, isPinned: true, args, ...more });
  // Behind a guard only the calls of the contest itself get an answer, and they wait for the first one.
  if (guard === undefined) await untilReady(server, tenantId);
  return { ...server, okCalls: () => server.okCalls('Unwrap') };
}

/** A data key from a daemon that ends again; Unwrap has to give its plaintext. */
async function generated(folder: string, source: string): Promise<Pick<Contest, 'request' | 'isRight'>> {
  const own = join(folder, 'first');
  await mkdir(own);
  await using server = await startUnwrap({ world: folder, folder: own, transport: 'grpc-js' });
  using client = new RawClient(server.socket);
  const { answer: dek } = await client.call<Generated>('GenerateDEK', { ...call, source });
  const unwrapped = await client.call<Generated>('Unwrap', { ...call, wrapped_dek: dek.wrapped_dek });
  if (!dek.plaintext.equals(unwrapped.answer.plaintext)) throw new Error('Unwrap gave another key');
  const expected = ageless(unwrapped.answer);
  const isRight = (answer: Buffer) => isDeepStrictEqual(ageless(decodedAnswer('Unwrap', answer)), expected);
  return { request: unwrapped.request, isRight };
}

/** How long a caller may keep a plaintext is each daemon's own affair. */
function ageless(answer: object): object {
  return { ...answer, max_age_seconds: undefined };
}

/** `isRecorded`: the audit has every operation, and not those alone that fail. */
function tenantFile(world: string, { isRecorded }: { isRecorded: boolean }): string {
  return `customer: ${tenantId}
tenant_id: ${tenantId}
encryption:
  provider: local
  local: { key_name: bench, key_file: ${join(world, 'cmk.key')} }
  audit: { log_all_operations: ${isRecorded} }
`;
}

function daemonFile({ world, folder, transport, guard }: UnwrapOptions): string {
  const { settings = '', listener = 'identity: socket' } = guard ?? {};
  return `environment: development
listen:
  - { unix: ${join(folder, 'keyproxy.sock')}, transport: ${transport}, ${listener} }
tenants: { directory: ${join(guard === undefined ? world : folder, 'tenants')} }
allow_local: true
${settings}`;
}
