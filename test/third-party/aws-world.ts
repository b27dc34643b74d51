/** Keys of an AWS that nobody here wrote, opened through the AWS provider and a customer's role: KMS and STS take part. */
import { randomUUID } from 'node:crypto';
import { CreateKeyCommand, type KeySpec, type KeyUsageType, KMSClient } from '@aws-sdk/client-kms';
import { systemClock } from '../../src/base/clock.ts';
import type { AwsCredentials } from '../../src/kms/aws/credentials.ts';
import type { AwsIdentity } from '../../src/kms/aws/identity.ts';
import { openAwsCredentials, openAwsKey } from '../../src/kms/aws/open.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import type { OpenedKey, OpenOptions, World } from '../contract/world.ts';
import { region } from './aws-identity.ts';

/** Long enough for any honest answer, in milliseconds. */
const honestMs = 20_000;

export interface ForeignAwsKey extends OpenedKey {
  readonly arn: string;
}

export interface AwsWorldOptions {
  readonly endpoint: string;
  /** Who makes keys. */
  readonly owner: AwsIdentity;
  /** What keyproxy itself is. */
  readonly platform: AwsIdentity;
  /** What stands in front of every key. */
  readonly role: { readonly arn: string; readonly externalId: string };
}

interface Opening {
  readonly limitMs?: number;
  readonly externalId?: string;
  readonly roleArn?: string;
}

export class ForeignAwsWorld implements World<ForeignAwsKey> {
  readonly endpoint: string;
  readonly role: AwsWorldOptions['role'];
  /** The keys' owner, who calls KMS with no keyproxy between. */
  readonly owner: KMSClient;
  readonly #credentials: AwsCredentials;
  /** RSA keys that nobody has open: an emulator takes seconds to make a pair, so tests hand them on. */
  readonly #idle = new Map<string, string[]>();

  constructor({ endpoint, owner, platform, role }: AwsWorldOptions) {
    this.endpoint = endpoint;
    this.role = role;
    this.owner = new KMSClient({ region, endpoint, credentials: owner });
    this.#credentials = openAwsCredentials({
      clock: systemClock,
      random: () => 0.5,
      nodeName: 'node-1',
      timeoutMs: honestMs,
      stsEndpoint: endpoint,
      own: () => Promise.resolve(platform),
    });
  }

  /** Makes a key at its owner's; `kind` is a key spec. Returns its ARN. */
  async createKey(kind = 'SYMMETRIC_DEFAULT'): Promise<string> {
    const command = new CreateKeyCommand({ KeySpec: kind as KeySpec, KeyUsage: usageOf(kind) });
    const { KeyMetadata: key } = await this.owner.send(command);
    if (key?.Arn === undefined) throw new Error('no key was made');
    return key.Arn;
  }

  requestIds(): 'unreadable' {
    return 'unreadable';
  }

  /** An RSA key may have been another test's before. */
  async openKey({ kind, timeoutMs }: OpenOptions = {}): Promise<ForeignAwsKey> {
    const idle = kind?.startsWith('RSA_') ? this.#idleOf(kind) : [];
    const arn = idle.pop() ?? (await this.createKey(kind));
    const key = inHand(arn, this.open(arn, timeoutMs === undefined ? {} : { limitMs: timeoutMs }));
    return {
      ...key,
      [Symbol.asyncDispose]: () => {
        idle.push(arn);
        return key[Symbol.asyncDispose]();
      },
    };
  }

  /** A key of a well-formed name that nobody made. */
  openMissingKey(): ForeignAwsKey {
    const account = this.role.arn.split(':')[4];
    const arn = `arn:aws:kms:${region}:${account}:key/${randomUUID()}`;
    const ciphertext = Buffer.alloc(150, 1);
    const ownEntry = { providerId: Buffer.from('aws-kms'), providerInfo: Buffer.from(arn), ciphertext };
    return { ...inHand(arn, this.open(arn)), ownEntry };
  }

  /** Opens a key through the role, or another one. */
  open(keyArn: string, options: Opening = {}): KeyService {
    const { limitMs = honestMs, externalId = this.role.externalId, roleArn = this.role.arn } = options;
    return openAwsKey(
      { provider: 'aws_kms', keyArn, region, endpoint: this.endpoint, role: { arn: roleArn, externalId } },
      { clock: systemClock, tenantId: 'acme', timeoutMs: limitMs, credentials: this.#credentials },
    );
  }

  #idleOf(kind: string): string[] {
    const idle = this.#idle.get(kind) ?? [];
    this.#idle.set(kind, idle);
    return idle;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.owner.destroy();
    this.#credentials[Symbol.dispose]();
  }
}

function usageOf(kind: string): KeyUsageType {
  if (/^(SYMMETRIC|RSA)_/.test(kind)) return 'ENCRYPT_DECRYPT';
  return kind.startsWith('HMAC_') ? 'GENERATE_VERIFY_MAC' : 'SIGN_VERIFY';
}

function inHand(arn: string, service: KeyService): ForeignAwsKey {
  return { arn, service, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
}
