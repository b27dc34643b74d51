/** Each line of `moto-divergences.ts` on a running moto: a test that fails here has found one that moto has mended. */
import {
  CreateKeyCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EncryptCommand,
  KMSClient,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms';
import { expect } from 'vitest';
import { EncryptionContext } from '../../src/base/encryption-context.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { context, failureOf, flipped, never, operations, run, warmed } from '../contract/calls.ts';
import { region } from './aws-identity.ts';
import type { ForeignAwsWorld } from './aws-world.ts';
import { describeDivergences } from './foreign.contract.ts';
import { motoDivergences } from './moto-divergences.ts';
import { motoWorld } from './moto-world.ts';

const denied = { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false };

async function expectServing(service: KeyService): Promise<void> {
  const entry = await warmed(service);
  for (const operation of operations) await run(operation, service, { entry, signal: never });
}

/** moto answers a page of HTML where a key to be disabled or deleted is named by its ARN. */
function idOf(arn: string): string {
  return arn.slice(arn.lastIndexOf('/') + 1);
}

async function stateOf(world: ForeignAwsWorld, arn: string): Promise<string | undefined> {
  return (await world.owner.send(new DescribeKeyCommand({ KeyId: arn }))).KeyMetadata?.KeyState;
}

/** Shows what moto does, for each line; rejects where it does what AWS does. */
const shown: Record<keyof typeof motoDivergences, (world: ForeignAwsWorld) => Promise<void>> = {
  async disabled_key_serves(world) {
    await using key = await world.openKey();
    await world.owner.send(new DisableKeyCommand({ KeyId: idOf(key.arn) }));
    expect(await stateOf(world, key.arn)).toBe('Disabled');
    await expectServing(key.service);
  },

  async key_pending_deletion_serves(world) {
    await using key = await world.openKey();
    await world.owner.send(new ScheduleKeyDeletionCommand({ KeyId: idOf(key.arn) }));
    expect(await stateOf(world, key.arn)).toBe('PendingDeletion');
    await expectServing(key.service);
  },

  async unreadable_ciphertext_is_denied(world) {
    await using key = await world.openKey();
    const entry = await warmed(key.service);
    const opened = (ciphertext: Buffer) =>
      failureOf(key.service.unwrap({ entry: { ...entry, ciphertext }, context, signal: never }));
    for (const place of [0, 35]) expect((await opened(flipped(entry.ciphertext, place))).fault).toEqual(denied);
    // Everywhere else, and cut anywhere, moto answers as AWS does.
    for (let place = 36; place < entry.ciphertext.length; place++) {
      expect((await opened(flipped(entry.ciphertext, place))).fault).toEqual({ kind: 'data' });
    }
    for (const end of [0, 1, 36, entry.ciphertext.length - 1]) {
      expect((await opened(entry.ciphertext.subarray(0, end))).fault).toEqual({ kind: 'data' });
    }
  },

  async other_keys_ciphertext_is_denied(world) {
    await using mine = await world.openKey();
    await using other = await world.openKey();
    const { ciphertext } = await warmed(other.service);
    const mixed = { ...(await warmed(mine.service)), ciphertext };
    const { fault, details } = await failureOf(mine.service.unwrap({ entry: mixed, context, signal: never }));
    expect(fault).toEqual(denied);
    expect(details.providerCode).toBe('AccessDeniedException');
  },

  async context_is_joined_without_lengths(world) {
    await using key = await world.openKey();
    const bound = (name: string, value: string) => EncryptionContext.of([[name, value]]);
    const { plaintext, entry } = await key.service.generate({ length: 32, context: bound('a', 'bc'), signal: never });
    using unwrapped = await key.service.unwrap({ entry, context: bound('ab', 'c'), signal: never });
    expect(unwrapped.reveal()).toEqual(plaintext.reveal());
  },

  async rsa_is_aes(world) {
    await using key = await world.openKey({ kind: 'RSA_2048' });
    const { ciphertext } = await warmed(key.service);
    expect(ciphertext).not.toHaveLength(256);
    // OAEP with SHA-256 leaves 190 bytes of 2,048 bits (RFC 8017, section 7.1.1).
    const tooLong = { KeyId: key.arn, Plaintext: Buffer.alloc(191, 1) };
    await world.owner.send(new EncryptCommand({ ...tooLong, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' }));
  },

  async anybody_assumes_any_role(world) {
    const arn = await world.createKey();
    const roleArn = 'arn:aws:iam::210987654321:role/nobody-made-this';
    await using service = world.open(arn, { roleArn, externalId: 'of-somebody-else' });
    // The session is one of the other account, where the key does not exist: the call after AssumeRole tells.
    const request = { length: 32, context, signal: never };
    expect((await failureOf(service.generate(request))).details.operation).not.toBe('AssumeRole');
    await using own = world.open(arn, { externalId: 'of-somebody-else' });
    await expectServing(own);
  },

  async anybody_signs(world) {
    const credentials = { accessKeyId: 'AKIANOBODY', secretAccessKey: 'made-up' };
    const stranger = new KMSClient({ region, endpoint: world.endpoint, credentials });
    const KeyId = await world.createKey();
    expect((await stranger.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.Arn).toBe(KeyId);
    stranger.destroy();
  },

  async key_usage_has_no_default(world) {
    const { KeyMetadata: made } = await world.owner.send(new CreateKeyCommand({}));
    expect(made?.KeyUsage).toBeUndefined();
    await using service = world.open(made?.Arn ?? '');
    const { fault } = await failureOf(warmed(service));
    expect(fault).toEqual({ kind: 'config', reason: 'KEY_UNSUITABLE' });
  },

  async multi_region_key_never_decrypts(world) {
    const command = new CreateKeyCommand({ MultiRegion: true, KeyUsage: 'ENCRYPT_DECRYPT' });
    const { KeyMetadata: made } = await world.owner.send(command);
    expect(made?.KeyId).toMatch(/^mrk-/);
    await using service = world.open(made?.Arn ?? '');
    const entry = await warmed(service);
    expect((await failureOf(service.unwrap({ entry, context, signal: never }))).fault).toEqual(denied);
  },
};

describeDivergences('moto', motoDivergences, { start: async (endpoint) => motoWorld(endpoint), shown });
