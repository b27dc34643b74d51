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
  await writeFile(join(folder, 'tenants', 'tenant.yaml'), tenantFile(folder));
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
}

/** Starts the daemon and waits until it serves the tenant. */
export async function startUnwrap({ world, folder, transport, ...more }: UnwrapOptions): Promise<ContestServer> {
  await writeFile(join(folder, 'daemon.conf'), daemonFile({ world, folder, transport }));
  const server = await startKeyproxy({ folder, isPinned: true, args: ['--config', 'daemon.conf'], ...more });
  await untilReady(server, tenantId);
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

function tenantFile(world: string): string {
  return `customer: ${tenantId}
tenant_id: ${tenantId}
encryption:
  provider: local
  local: { key_name: bench, key_file: ${join(world, 'cmk.key')} }
`;
}

function daemonFile({ world, folder, transport }: UnwrapOptions): string {
  return `environment: development
listen:
  - { unix: ${join(folder, 'keyproxy.sock')}, transport: ${transport} }
tenants: { directory: ${join(world, 'tenants')} }
allow_local: true
`;
}
