/** The tokens that keyproxy gets from Vault: how they are renewed, replaced and given back. */
import { describe, expect, it, vi } from 'vitest';
import type { KmsFault } from '../../src/kms/fault.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { context, failureOf, never } from './calls.ts';
import { allowing, VaultWorld } from './vault-world.ts';

const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };

const login = 'approle-login';
/** In seconds. */
const hour = 3_600;

function generate(service: KeyService): Promise<unknown> {
  return service.generate({ length: 32, context, signal: never });
}

/** Waits for what happens in the background. */
function untilCounted(world: VaultWorld, operation: string, times: number): Promise<void> {
  return vi.waitFor(() => expect(world.vault.count(operation)).toBe(times), { timeout: 5_000, interval: 5 });
}

describe('a token', () => {
  it('is renewed in the background at two thirds of its life, without a login', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ role: { tokenTtl: hour, tokenMaxTtl: 24 * hour, secretIdNumUses: 1 } });
    await generate(key.service);
    world.clock.skip(0.6 * hour * 1000);
    await generate(key.service);
    expect(world.vault.count('renew-self')).toBe(0);
    const [before] = world.credentials.expiries();
    world.clock.skip(0.1 * hour * 1000);
    await untilCounted(world, 'renew-self', 1);
    // The service counts before its answer is here.
    await vi.waitFor(() =>
      expect(world.credentials.expiries()[0]?.expiresAtMs).toBeGreaterThan(before?.expiresAtMs ?? 0),
    );
    world.clock.skip(0.5 * hour * 1000);
    await generate(key.service);
    expect(world.vault.count(login)).toBe(1);
  });

  it('near the end of all renewal is replaced by a login', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ role: { tokenTtl: hour, tokenMaxTtl: 1.5 * hour } });
    await generate(key.service);
    world.clock.skip(0.7 * hour * 1000);
    await untilCounted(world, login, 2);
    expect(world.vault.count('renew-self')).toBe(1);
    await generate(key.service);
  });

  it('that cannot be renewed is replaced by a login before it ends', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ role: { tokenTtl: hour, tokenType: 'batch' } });
    await generate(key.service);
    world.clock.skip(0.7 * hour * 1000);
    await untilCounted(world, login, 2);
    expect(world.vault.count('renew-self')).toBe(0);
  });

  it('stays in use to its end while renewal gets no answer', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey({ role: { tokenTtl: hour } });
    await generate(key.service);
    const faults = ['renew-self', login].map((operation) =>
      world.vault.faults.add({ operation, fault: { kind: 'reset' } }),
    );
    world.clock.skip(0.7 * hour * 1000);
    await vi.waitFor(() => expect(world.vault.count('renew-self')).toBeGreaterThan(0));
    world.clock.skip(0.25 * hour * 1000);
    await generate(key.service);
    world.clock.skip(0.1 * hour * 1000);
    expect((await failureOf(generate(key.service))).fault).toEqual(outage);
    for (const fault of faults) fault.remove();
    world.clock.skip(60_000);
    await generate(key.service);
  });

  it('that Vault knows no longer is replaced once, whichever way it says so', async () => {
    for (const product of ['openbao', 'vault'] as const) {
      await using world = await VaultWorld.start({ product });
      await using key = await world.openRoleKey();
      await generate(key.service);
      world.vault.revokeTokens();
      await Promise.all(Array.from({ length: 20 }, () => generate(key.service)));
      expect(world.vault.count(login)).toBe(2);
      expect(world.vault.count('renew-self')).toBe(0);
      expect(world.vault.count('lookup-self')).toBe(product === 'vault' ? 0 : 1);
    }
  });

  it('without the policy default cannot ask about itself: one login tells, and then no more for a minute', async () => {
    await using world = await VaultWorld.start();
    await using key = await world.openRoleKey();
    await generate(key.service);
    const mute = {
      kind: 'error',
      code: '',
      status: 403,
      message: '1 error occurred:\n\t* permission denied\n\n',
    } as const;
    world.vault.faults.add({ operation: 'lookup-self', fault: mute });
    key.setPolicy({});
    for (let call = 0; call < 5; call++) {
      const { fault } = await failureOf(generate(key.service));
      expect(fault).toEqual({ kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false });
    }
    expect(world.vault.count(login)).toBe(2);
    key.setPolicy(allowing(key.owned));
    world.vault.revokeTokens();
    world.clock.skip(61_000);
    await generate(key.service);
    expect(world.vault.count(login)).toBe(3);
  });

  it('is revoked when the last key that uses it is closed', async () => {
    await using world = await VaultWorld.start();
    const key = await world.openRoleKey();
    const second = world.open(key.config);
    await generate(key.service);
    await key.service[Symbol.asyncDispose]();
    await key.service[Symbol.asyncDispose]();
    expect(world.vault.count('revoke-self')).toBe(0);
    await generate(second);
    await second[Symbol.asyncDispose]();
    expect(world.vault.count('revoke-self', { outcome: 'ok' })).toBe(1);
  });

  it('that cannot be revoked holds up nobody for long', async () => {
    await using world = await VaultWorld.start();
    const key = await world.openRoleKey();
    await generate(key.service);
    world.vault.faults.add({ operation: 'revoke-self', fault: { kind: 'hang' } });
    const start = performance.now();
    await key.service[Symbol.asyncDispose]();
    expect(performance.now() - start).toBeLessThan(2_500);
  });

  it('tells its end for a gauge, as long as anybody uses it', async () => {
    await using world = await VaultWorld.start();
    const key = await world.openRoleKey({ role: { tokenTtl: hour } });
    expect(world.credentials.expiries()).toEqual([]);
    await generate(key.service);
    const [expiry, ...others] = world.credentials.expiries();
    expect(others).toEqual([]);
    expect(expiry).toMatchObject({ tenantId: 'acme', address: world.vault.address });
    const left = (expiry?.expiresAtMs ?? 0) - world.clock.now();
    expect(left).toBeGreaterThan((hour - 20) * 1000);
    expect(left).toBeLessThanOrEqual(hour * 1000);
    await key.service[Symbol.asyncDispose]();
    expect(world.credentials.expiries()).toEqual([]);
  });
});
