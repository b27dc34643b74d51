/** What `keyproxy validate` is told of a key of Vault's beside a round trip. */
import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { context, never } from './calls.ts';
import { allowing, type VaultKeyInHand, VaultWorld } from './vault-world.ts';

/** What is in front of a Vault and takes the associated data out of every request, as old versions ignored it. */
async function forgetful(address: string) {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const headers = Object.entries(request.headers).filter(([name]) => name.startsWith('x-vault-'));
    const answer = await fetch(address + request.url, {
      method: request.method ?? 'GET',
      headers: Object.fromEntries(headers.map(([name, value]) => [name, String(value)])),
      ...(body !== '' && { body: JSON.stringify({ ...JSON.parse(body), associated_data: undefined }) }),
    });
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const bound = server.address();
  return {
    address: `http://127.0.0.1:${typeof bound === 'object' ? bound?.port : 0}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

describe('what validate looks at', () => {
  async function findings({ service }: VaultKeyInHand) {
    return (await service.inspect?.({ context, signal: never })) ?? [];
  }

  it('is in order where the policy gives what is needed and no more', async () => {
    await using world = await VaultWorld.start();
    for (const [type, count] of [
      ['aes256-gcm96', 5],
      ['chacha20-poly1305', 5],
    ] as const) {
      await using key = await world.openRoleKey({ key: { type } });
      const found = await findings(key);
      expect(found.map(({ verdict }) => verdict)).toEqual(Array.from({ length: count }, () => 'ok'));
    }
  });

  it('names the feature that lacks a permission, and the statement to add', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ key: { type: 'rsa-2048', name: 'orders' } });
    key.setPolicy({ 'transit/encrypt/orders': ['create', 'update'], 'transit/keys/orders': ['read'] });
    const found = await findings(key);
    expect(found.map(({ verdict }) => verdict)).toEqual(['ok', 'failed', 'failed', 'warning', 'ok', 'warning']);
    key.setPolicy(allowing(key.owned));
    const allowed = await findings(key);
    expect(allowed.map(({ verdict }) => verdict)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'warning']);
    expect(allowed[6]?.advice).toContain('an RSA key binds no context');
    expect(found[1]?.advice).toContain('path "transit/decrypt/orders" { capabilities = ["update"] }');
    expect(found[3]?.advice).toContain('rotation');
    expect(found[5]?.advice).toContain('create');
  });

  it('warns where nobody may ask, and does not throw while nobody answers', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    key.setPolicy({ ...allowing(key.owned), 'sys/capabilities-self': ['deny'] });
    const [denied, bound, ...others] = await findings(key);
    expect([bound?.verdict, others]).toEqual(['ok', []]);
    expect(denied).toMatchObject({ verdict: 'warning', advice: expect.stringContaining('sys/capabilities-self') });
    world.vault.seal();
    const [silent] = await findings(key);
    expect(silent).toMatchObject({ verdict: 'warning', advice: expect.stringMatching(/^Sealed: unseal/) });
  });

  it('sees a Vault that is too old to bind associated data', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    await using old = await forgetful(world.vault.address);
    await using service = world.open({ ...key.config, address: old.address });
    const found = (await service.inspect?.({ context, signal: never })) ?? [];
    expect(found.at(-1)).toMatchObject({ verdict: 'failed', advice: expect.stringContaining('below 1.13') });
  });

  it('ends in its own time where Vault hangs', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ timeoutMs: 150 });
    await findings(key);
    world.vault.faults.add({ operation: 'capabilities-self', fault: { kind: 'hang' } });
    expect((await findings(key)).map(({ advice }) => advice)).toEqual(['Timeout']);
  });
});
