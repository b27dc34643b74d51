/** Keys of a moto server, opened through the AWS provider and a customer's role: KMS and STS both take part. */
import { randomUUID } from 'node:crypto';
import { CreateKeyCommand, type KeySpec, type KeyUsageType, KMSClient } from '@aws-sdk/client-kms';
import { systemClock } from '../../src/base/clock.ts';
import type { AwsCredentials } from '../../src/kms/aws/credentials.ts';
import { openAwsCredentials, openAwsKey } from '../../src/kms/aws/open.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import type { OpenedKey, OpenOptions, World } from '../contract/world.ts';

const timeoutMs = 20_000;

/** What keyproxy itself is to moto, which asks nobody for a password. */
export const identity = { accessKeyId: 'AKIAKEYPROXY', secretAccessKey: 'keyproxy' };

export const region = 'us-east-1';

/** The role that stands in front of every key here. moto lets anybody assume any role. */
export const role = { arn: 'arn:aws:iam::123456789012:role/customer', externalId: 'keyproxy-7f9b1c2d' };

export interface MotoKey extends OpenedKey {
  readonly arn: string;
}

export class MotoWorld implements World<MotoKey> {
  readonly endpoint: string;
  /** The key's owner, who calls KMS with no keyproxy between. */
  readonly owner: KMSClient;
  readonly #credentials: AwsCredentials;

  constructor(endpoint: string) {
    this.endpoint = endpoint;
    this.owner = new KMSClient({ region, endpoint, credentials: identity });
    this.#credentials = openAwsCredentials({
      clock: systemClock,
      random: () => 0.5,
      nodeName: 'node-1',
      timeoutMs,
      stsEndpoint: endpoint,
      own: () => Promise.resolve(identity),
    });
  }

  /** Makes a key at its owner's; `kind` is a key spec. Returns its ARN. */
  async createKey(kind = 'SYMMETRIC_DEFAULT'): Promise<string> {
    const usage: KeyUsageType = /^(SYMMETRIC|RSA)_/.test(kind) ? 'ENCRYPT_DECRYPT' : 'SIGN_VERIFY';
    const command = new CreateKeyCommand({ KeySpec: kind as KeySpec, KeyUsage: usage });
    const { KeyMetadata: key } = await this.owner.send(command);
    if (key?.Arn === undefined) throw new Error('moto made no key');
    return key.Arn;
  }

  async openKey({ kind, timeoutMs: limit }: OpenOptions = {}): Promise<MotoKey> {
    const arn = await this.createKey(kind);
    return inHand(arn, this.open(arn, limit === undefined ? {} : { limitMs: limit }));
  }

  /** A key of a well-formed name that nobody made. */
  openMissingKey(): MotoKey {
    const arn = `arn:aws:kms:${region}:123456789012:key/${randomUUID()}`;
    const ciphertext = Buffer.alloc(150, 1);
    const ownEntry = { providerId: Buffer.from('aws-kms'), providerInfo: Buffer.from(arn), ciphertext };
    return { ...inHand(arn, this.open(arn)), ownEntry };
  }

  /** Opens a key through the role. */
  open(keyArn: string, options: { limitMs?: number; externalId?: string; roleArn?: string } = {}): KeyService {
    const { limitMs = timeoutMs, externalId = role.externalId, roleArn = role.arn } = options;
    return openAwsKey(
      { provider: 'aws_kms', keyArn, region, endpoint: this.endpoint, role: { arn: roleArn, externalId } },
      { clock: systemClock, tenantId: 'acme', timeoutMs: limitMs, credentials: this.#credentials },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.owner.destroy();
    this.#credentials[Symbol.dispose]();
  }
}

function inHand(arn: string, service: KeyService): MotoKey {
  return { arn, service, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
}
