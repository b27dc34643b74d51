/** Whatever comes back in the place of the answer to a login is no no either: the customer has said nothing. */
import { expect, it } from 'vitest';
import { KmsError } from '../../src/kms/fault.ts';
import { warmed } from '../contract/calls.ts';
import { VaultWorld } from '../contract/vault-world.ts';
import { Dice } from '../fuzz/engine/dice.ts';
import { garble, type HttpAnswer } from './answers/garble.ts';
import { HttpProxy } from './answers/http-proxy.ts';

const json = { 'content-type': 'application/json' };

/** Answers as a gateway has them that blocks a client, in a form that begins like Vault's. */
const blocked = (status: number): HttpAnswer => ({
  ...{ status, headers: json },
  body: Buffer.from(JSON.stringify({ success: false, errors: [{ code: 1020, message: 'blocked' }] })),
});

interface Meeting {
  /** What becomes of the answers. */
  readonly change: (answer: HttpAnswer) => HttpAnswer;
  /** Whether the login comes before that. */
  readonly isLoggedIn?: boolean;
}

/** How a call ends: the kind of its fault, or `answered`. */
async function ending(world: VaultWorld, { change, isLoggedIn = false }: Meeting): Promise<string> {
  await using proxy = await HttpProxy.start({ to: world.vault.address });
  await using key = await world.openKey();
  await using service = world.open({ ...key.config, address: proxy.origin }, { timeoutMs: 2_500, tenantId: 'other' });
  if (isLoggedIn) await warmed(service);
  proxy.change = change;
  try {
    await warmed(service);
    return 'answered';
  } catch (error) {
    if (!(error instanceof KmsError)) throw error;
    return error.fault.kind;
  }
}

it('garbage in the place of the answer to a login of Vault is no no', async () => {
  await using world = await VaultWorld.start();
  const dice = new Dice(6);
  const seen = new Set<string>();
  for (let left = 60; left > 0; left--) {
    seen.add(await ending(world, { change: (answer) => garble(answer, dice) }));
  }
  expect([...seen]).not.toContain('refusal');
  expect([...seen]).toEqual(expect.arrayContaining(['answered', 'outage']));
});

it.each([400, 403])('the page of a gateway with status %i is no no to a login of Vault', async (status) => {
  await using world = await VaultWorld.start();
  expect(await ending(world, { change: () => blocked(status) })).not.toBe('refusal');
});

it('the page of a gateway with status 403 is no no to a call of Vault', async () => {
  await using world = await VaultWorld.start();
  expect(await ending(world, { change: () => blocked(403), isLoggedIn: true })).not.toBe('refusal');
});
