/** What `keyproxy validate` learns of a key of Cloud KMS beyond the round trip. */
import { describe, expect, it } from 'vitest';
import type { Finding } from '../../src/kms/finding.ts';
import { permissions } from '../../src/kms/gcp/permissions.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import type { SimulatedKey } from '../simulators/gcp/simulated-key.ts';
import { context, never } from './calls.ts';
import { GcpWorld } from './gcp-world.ts';

async function inspected(service: KeyService, signal = never): Promise<Finding[]> {
  if (service.inspect === undefined) throw new Error('there is nothing to inspect');
  return service.inspect({ context, signal });
}

/** The findings whose step has this in it. */
function about(findings: readonly Finding[], part: string): Finding[] {
  return findings.filter(({ step }) => step.includes(part));
}

describe('the inspection of a key', () => {
  it.each([
    ['SYMMETRIC', 'ENCRYPT_DECRYPT, GOOGLE_SYMMETRIC_ENCRYPTION, SOFTWARE'],
    ['HSM_SYMMETRIC', 'ENCRYPT_DECRYPT, GOOGLE_SYMMETRIC_ENCRYPTION, HSM'],
    ['EXTERNAL_SYMMETRIC', 'ENCRYPT_DECRYPT, EXTERNAL_SYMMETRIC_ENCRYPTION, EXTERNAL'],
    ['RSA_2048', 'ASYMMETRIC_DECRYPT, RSA_DECRYPT_OAEP_2048_SHA256, SOFTWARE'],
  ])('of kind %s names it, and finds nothing that fails', async (kind, shown) => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey({ kind });
    const findings = await inspected(key.service);
    expect(about(findings, 'can wrap')).toEqual([{ step: `the key can wrap data keys (${shown})`, verdict: 'ok' }]);
    expect(findings.filter(({ verdict }) => verdict === 'failed')).toEqual([]);
    const needed = permissions.filter(
      (p) => p.neededBy.length === 0 || p.neededBy.includes(kind === 'RSA_2048' ? 'rsa' : 'symmetric'),
    );
    expect(about(findings, 'permission').map(({ verdict }) => verdict)).toEqual(needed.map(() => 'ok'));
  });

  it('that is not rotated says so, and whose hand it needs', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    await using external = await world.openKey({ kind: 'EXTERNAL_SYMMETRIC' });
    const [own] = about(await inspected(key.service), 'rotated');
    const [other] = about(await inspected(external.service), 'rotated');
    expect(own).toMatchObject({ verdict: 'warning', advice: expect.stringContaining('rotation period') });
    expect(other).toMatchObject({ verdict: 'warning', advice: expect.stringContaining('external key manager') });
  });

  it.each([
    ['MAC', undefined],
    ['EC_SIGN', undefined],
    ['RSA_2048_SHA1', undefined],
  ])('that cannot wrap (%s) fails with what to make instead', async (kind) => {
    await using world = await GcpWorld.start();
    await using service = world.open(world.createKey(kind));
    const findings = await inspected(service);
    const [finding] = about(findings, 'can wrap');
    expect(finding).toMatchObject({ verdict: 'failed', advice: expect.stringContaining('ENCRYPT_DECRYPT') });
  });

  it.each([
    ['the primary', (key: SimulatedKey) => key.disable(), {}, 'DISABLED'],
    [
      'the configured version',
      (key: SimulatedKey) => key.setState('DESTROY_SCHEDULED', 1),
      { keyVersion: '1' },
      'DESTROY_SCHEDULED',
    ],
  ])('fails where %s may not be used, and tells its state', async (_, arrange, options, state) => {
    await using world = await GcpWorld.start();
    const owned = world.createKey('SYMMETRIC');
    owned.rotate();
    arrange(owned);
    await using service = world.open(owned, options);
    const [finding] = about(await inspected(service), 'is enabled');
    expect(finding).toMatchObject({ verdict: 'failed', advice: expect.stringContaining(state) });
  });

  it.each(permissions.map((permission) => [permission.name, permission] as const))(
    'that lacks %s says which role grants it and what does not work',
    async (name, { role, without, neededBy }) => {
      await using world = await GcpWorld.start();
      const owned = world.createKey(neededBy.includes('symmetric') || neededBy.length === 0 ? 'SYMMETRIC' : 'RSA_2048');
      world.gcp.revoke(world.account.email, owned.name, name);
      await using service = world.open(owned);
      const findings = await inspected(service);
      const advice = `grant ${role} on the key: without it ${without}`;
      const verdict = neededBy.length === 0 ? 'warning' : 'failed';
      expect(about(findings, name)).toEqual([{ step: `keyproxy has the permission ${name}`, verdict, advice }]);
      const others = about(findings, 'permission cloudkms').filter(({ step }) => !step.endsWith(name));
      expect(others.map((finding) => finding.verdict)).toEqual(others.map(() => 'ok'));
    },
  );

  it('of an RSA key finds the version that data keys go under, or that there is none', async () => {
    await using world = await GcpWorld.start();
    const owned = world.createKey('RSA_2048');
    owned.rotate();
    await using service = world.open(owned);
    expect(about(await inspected(service), 'newest')).toMatchObject([
      { step: expect.stringContaining('2'), verdict: 'ok' },
    ]);
    owned.disable();
    const [finding] = about(await inspected(service), 'newest');
    expect(finding).toMatchObject({
      verdict: 'failed',
      advice: expect.stringContaining('no version of the key is enabled'),
    });
  });

  it('that may not be looked at is a warning, which tells what a look would give', async () => {
    await using world = await GcpWorld.start();
    const owned = world.createKey('SYMMETRIC');
    world.gcp.revoke(world.account.email, owned.name, 'roles/cloudkms.viewer');
    await using service = world.open(owned);
    const findings = await inspected(service);
    expect(about(findings, 'looked at')).toMatchObject([
      { verdict: 'warning', advice: expect.stringContaining('roles/cloudkms.viewer') },
    ]);
    expect(findings.filter(({ verdict }) => verdict === 'failed')).toEqual([]);
  });

  it('throws nothing where nobody answers, or nobody waits', async () => {
    await using world = await GcpWorld.start();
    await using key = await world.openKey();
    world.gcp.faults.add({ service: 'kms', fault: { kind: 'reset' } });
    for (const findings of [await inspected(key.service), await inspected(key.service, AbortSignal.abort())]) {
      expect(about(findings, 'looked at')).toMatchObject([
        { verdict: 'failed', advice: expect.stringContaining('no answer') },
      ]);
      expect(findings.every(({ verdict }) => verdict !== 'ok')).toBe(true);
    }
  });
});
