/** Keys of the AWS simulator, opened through the AWS provider. */
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import type { AwsCredentials } from '../../src/kms/aws/credentials.ts';
import type { AwsIdentity } from '../../src/kms/aws/identity.ts';
import { openAwsCredentials, openAwsKey } from '../../src/kms/aws/open.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import type { StoreType } from '../simulators/aws/custom-key-store.ts';
import type { KeySpec } from '../simulators/aws/keys.ts';
import type { SimulatedRole } from '../simulators/aws/principals.ts';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import type { SimulatedKey } from '../simulators/aws/simulated-key.ts';
import { SteeredClock } from './steered-clock.ts';
import type { OpenedKey, OpenOptions, World } from './world.ts';

/** Long enough for any honest answer of the simulator, in milliseconds. */
const honestMs = 10_000;

export interface AwsKeyInHand extends OpenedKey {
  /** The key as its owner holds it. */
  readonly owned: SimulatedKey;
  readonly ownEntry?: EncryptedDataKey;
}

/** A key behind a customer's role. */
export interface RoleKeyInHand extends AwsKeyInHand {
  readonly role: SimulatedRole;
}

export interface RoleKeyOptions {
  /** What the role's trust policy demands. */
  readonly demanded?: string;
  /** What keyproxy was told. */
  readonly given: string;
  readonly tenantId?: string;
}

/** The external id of a role that is set up well. */
export const externalId = 'keyproxy-7f9b1c2d';

export class AwsWorld implements World<AwsKeyInHand> {
  readonly aws: AwsSimulator;
  /** The provider's time; the simulator has the machine's. */
  readonly clock = new SteeredClock();
  readonly credentials: AwsCredentials;
  #roles = 0;
  /** RSA keys that nobody has open: a pair takes seconds to make, so tests hand them on. */
  readonly #idle = new Map<string, SimulatedKey[]>();

  private constructor(aws: AwsSimulator, own: () => Promise<AwsIdentity>) {
    this.aws = aws;
    this.credentials = openAwsCredentials({
      clock: this.clock,
      random: () => 0.5,
      nodeName: 'node-1',
      timeoutMs: honestMs,
      stsEndpoint: aws.endpoint,
      own,
    });
  }

  /** Starts a simulator; `own` gets keyproxy's own credentials, those of the platform where none is given. */
  static async start(own?: (aws: AwsSimulator) => Promise<AwsIdentity>): Promise<AwsWorld> {
    const aws = await startAwsSimulator();
    return new AwsWorld(aws, () => own?.(aws) ?? Promise.resolve(aws.platform));
  }

  /** Opens a key of a spec that keyproxy's own identity may use. An RSA key may have been another test's before. */
  async openKey(options: OpenOptions = {}): Promise<AwsKeyInHand> {
    const { kind = 'SYMMETRIC_DEFAULT', timeoutMs } = options;
    const idle = kind.startsWith('RSA_') ? this.#idleOf(kind) : [];
    const owned = idle.pop() ?? this.aws.createKey({ spec: kind as KeySpec });
    const key = inHand(this.open(owned, timeoutMs === undefined ? {} : { timeoutMs }), owned);
    return {
      ...key,
      [Symbol.asyncDispose]: () => {
        idle.push(owned);
        return key[Symbol.asyncDispose]();
      },
    };
  }

  /** Opens a key whose material is in a custom key store of its own. */
  openStoreKey(type: StoreType): Promise<AwsKeyInHand> {
    const owned = this.aws.createKey({ store: this.aws.createKeyStore(type) });
    return Promise.resolve(inHand(this.open(owned, {}), owned));
  }

  /** Opens a key through a role of its own. */
  openRoleKey(options: RoleKeyOptions): RoleKeyInHand {
    const { demanded, given, tenantId } = options;
    const trust = this.aws.trustFor({
      principal: this.aws.platform.arn,
      ...(demanded !== undefined && { externalId: demanded }),
    });
    const role = this.aws.createRole({ name: `customer-${this.#roles++}`, trust });
    const owned = this.aws.createKey();
    const service = this.open(owned, {
      role: { arn: role.arn, externalId: given },
      ...(tenantId !== undefined && { tenantId }),
    });
    return { ...inHand(service, owned), role };
  }

  /** Opens a key once more, as another part of the process would. */
  open(
    owned: SimulatedKey,
    options: { timeoutMs?: number; tenantId?: string; role?: { arn: string; externalId: string } },
  ): KeyService {
    const { role, tenantId = 'acme', timeoutMs = honestMs } = options;
    const { arn: keyArn, region } = owned;
    return openAwsKey(
      { provider: 'aws_kms', keyArn, region, endpoint: this.aws.endpoint, ...(role !== undefined && { role }) },
      { clock: this.clock, tenantId, timeoutMs, credentials: this.credentials },
    );
  }

  requestIds(): readonly string[] {
    return this.aws.calls.map(({ requestId }) => requestId);
  }

  #idleOf(kind: string): SimulatedKey[] {
    const idle = this.#idle.get(kind) ?? [];
    this.#idle.set(kind, idle);
    return idle;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.credentials[Symbol.dispose]();
    await this.aws[Symbol.asyncDispose]();
  }
}

function inHand(service: KeyService, owned: SimulatedKey): AwsKeyInHand {
  return { service, owned, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
}
