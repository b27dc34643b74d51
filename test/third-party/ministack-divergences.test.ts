/** Each line of `ministack-divergences.ts` on a running ministack: a test that fails here has found a mended one. */
import { EncryptCommand } from '@aws-sdk/client-kms';
import { expect } from 'vitest';
import { context, flipped, never, warmed } from '../contract/calls.ts';
import { identity } from './aws-identity.ts';
import { ForeignAwsWorld } from './aws-world.ts';
import { describeDivergences } from './foreign.contract.ts';
import { ministackDivergences } from './ministack-divergences.ts';
import { enterMinistack, type MinistackWorld, trust } from './ministack-world.ts';

const shown: Record<keyof typeof ministackDivergences, (world: MinistackWorld) => Promise<void>> = {
  async symmetric_is_unauthenticated(world) {
    await using key = await world.openKey();
    const { plaintext, entry } = await key.service.generate({ length: 32, context, signal: never });
    const last = entry.ciphertext.length - 1;
    const changed = { ...entry, ciphertext: flipped(entry.ciphertext, last) };
    using opened = await key.service.unwrap({ entry: changed, context, signal: never });
    expect(opened.reveal()).toEqual(flipped(plaintext.reveal(), 31));
    const cut = { ...entry, ciphertext: entry.ciphertext.subarray(0, last) };
    using shorter = await key.service.unwrap({ entry: cut, context, signal: never });
    expect(shorter.reveal()).toEqual(plaintext.reveal().subarray(0, 31));
  },

  async other_keys_symmetric_ciphertext_opens(world) {
    await using mine = await world.openKey();
    await using other = await world.openKey();
    const { plaintext, entry } = await other.service.generate({ length: 32, context, signal: never });
    const mixed = { ...(await warmed(mine.service)), ciphertext: entry.ciphertext };
    using opened = await mine.service.unwrap({ entry: mixed, context, signal: never });
    expect(opened.length).toBe(32);
    expect(opened.reveal()).not.toEqual(plaintext.reveal());
  },

  async too_long_for_encrypt(world) {
    const command = new EncryptCommand({ KeyId: await world.createKey(), Plaintext: Buffer.alloc(4_097, 1) });
    expect((await world.owner.send(command)).CiphertextBlob?.length).toBeGreaterThan(4_097);
  },

  async root_assumes_roles(world) {
    const [account, name] = [world.role.arn.split(':')[4], `for-root-${process.pid}`];
    const AssumeRolePolicyDocument = trust(`arn:aws:iam::${account}:root`);
    await world.asOwner({
      service: 'iam',
      operation: 'CreateRole',
      parameters: { RoleName: name, AssumeRolePolicyDocument },
    });
    const role = { ...world.role, arn: `arn:aws:iam::${account}:role/${name}` };
    await using asRoot = new ForeignAwsWorld({ endpoint: world.endpoint, owner: identity, platform: identity, role });
    await using service = asRoot.open(await world.createKey());
    // The role may do nothing at all; that it is KMS that says so shows that STS gave a session.
    await expect(warmed(service)).rejects.toMatchObject({ details: { operation: 'GenerateDataKey' } });
  },
};

describeDivergences('ministack', ministackDivergences, { start: enterMinistack, shown });
