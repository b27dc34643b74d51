/**
 * What identity, policy and the audit cost: keyproxy's cached Unwrap with a token on each call, a policy of rules and
 * every operation recorded in a file, beside the same daemon with none of them. Both run on one processor, the threads
 * that hash and write included.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startTokenIssuer } from '../test/support/token-issuer.ts';
import type { Contest, ContestServer } from './contest.ts';
import { startUnwrap, type UnwrapOptions, unwrapContest } from './unwrap.ts';

/** A token that lasts as long as any measurement, in seconds. */
const lifeSeconds = 86_400;

const policy = `
rules:
  - { callers: ["system:serviceaccount:shop:billing"], tenants: [demo], operations: [decrypt] }
  - { callers: ["system:serviceaccount:shop:*"], tenants: ["demo*"], operations: [unwrap, describe_tenant] }
`;

/** Makes key and tenant in `folder`, which has to stay. */
export async function accessContest(folder: string): Promise<Contest> {
  const bare = await unwrapContest(folder, 'DEK_SOURCE_DERIVED');
  return {
    ...bare,
    name: 'Unwrap, cached, with identity, policy and audit',
    entrants: [
      { name: 'on', start: (own) => startGuarded({ world: folder, folder: own }) },
      { name: 'off', start: (own) => startUnwrap({ world: folder, folder: own, transport: 'native' }) },
    ],
    targets: [{ of: 'on', over: 'off', atLeast: 0.85 }],
  };
}

/** Starts the daemon with all of them, and waits until it serves. */
export async function startGuarded(options: Omit<UnwrapOptions, 'transport' | 'guard'>): Promise<ContestServer> {
  const { folder } = options;
  await using parts = new AsyncDisposableStack();
  const issuer = parts.use(await startTokenIssuer());
  await writeFile(join(folder, 'policy.yaml'), policy);
  const metadata = { authorization: `Bearer ${issuer.mint({ lifeSeconds })}` };
  const settings = `
policy: policy.yaml
identity: { token: { issuer: "${issuer.name}", jwks_uri: "${issuer.jwksUri}" } }
audit: { path: audit.jsonl }
`;
  const guard = { settings, listener: 'identity: token' };
  const server = await startUnwrap({ ...options, guard, transport: 'native' });
  const rest = parts.move();
  return {
    ...server,
    metadata,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rest.disposeAsync();
    },
  };
}
