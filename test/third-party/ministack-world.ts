/**
 * Keys of a ministack server, which checks signatures, trust policies and key policies. Its owner is the account's root;
 * keyproxy's own identity is a user who may do one thing: assume the customer's role, with the external id.
 */
import { join, resolve } from 'node:path';
import type { AwsIdentity } from '../../src/kms/aws/identity.ts';
import { identity, region } from './aws-identity.ts';
import { ForeignAwsWorld } from './aws-world.ts';
import { folderOf } from './ready.ts';
import { run } from './run.ts';

const account = '000000000000';
const externalId = 'keyproxy-7f9b1c2d';
const script = resolve(import.meta.dirname, 'python/aws_calls.py');

/** One call of AWS that keyproxy never makes. */
export interface AwsCall {
  readonly service: 'iam';
  readonly operation: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** A world with a role, user and external id of its own, so that files of tests meet nobody else's. */
export interface MinistackWorld extends ForeignAwsWorld {
  /** Calls as the account's root, in order. */
  asOwner(...calls: AwsCall[]): Promise<unknown[]>;
  readonly userArn: string;
}

/** Calls AWS as the account's root, through botocore. Rejects with what it said where a call is refused. */
async function asOwner(endpoint: string, calls: readonly AwsCall[]): Promise<unknown[]> {
  const { code, stdout, stderr } = await run(join(folderOf('ministack') ?? '', 'bin/python'), [script], {
    input: JSON.stringify(calls),
    env: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_DEFAULT_REGION: region,
      AWS_ACCESS_KEY_ID: identity.accessKeyId,
      AWS_SECRET_ACCESS_KEY: identity.secretAccessKey,
    },
  });
  if (code !== 0) throw new Error(`the owner's calls were refused: ${stderr.trim().split('\n').at(-1)}`);
  return JSON.parse(stdout);
}

/** What `asOwner` answers to CreateAccessKey. */
function identityIn(answer: unknown): AwsIdentity {
  const { AccessKey: key } = answer as { AccessKey?: { AccessKeyId?: string; SecretAccessKey?: string } };
  if (key?.AccessKeyId === undefined || key.SecretAccessKey === undefined) throw new Error('no access key was made');
  return { accessKeyId: key.AccessKeyId, secretAccessKey: key.SecretAccessKey };
}

function policy(...statements: object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
}

let worlds = 0;

/** Enters the ministack that runs at `endpoint`. */
export async function enterMinistack(endpoint: string): Promise<MinistackWorld> {
  const suffix = `${process.pid}-${worlds++}`;
  const [user, name] = [`keyproxy-${suffix}`, `customer-${suffix}`];
  const userArn = `arn:aws:iam::${account}:user/${user}`;
  const role = { arn: `arn:aws:iam::${account}:role/${name}`, externalId };
  const iam = (operation: string, parameters: AwsCall['parameters']) => ({
    service: 'iam' as const,
    operation,
    parameters,
  });
  const answers = await asOwner(endpoint, [
    iam('CreateUser', { UserName: user }),
    iam('PutUserPolicy', {
      UserName: user,
      PolicyName: 'assume',
      PolicyDocument: policy({ Effect: 'Allow', Action: 'sts:AssumeRole', Resource: role.arn }),
    }),
    iam('CreateRole', { RoleName: name, AssumeRolePolicyDocument: trust(userArn) }),
    iam('PutRolePolicy', {
      RoleName: name,
      PolicyName: 'keys',
      PolicyDocument: policy({
        Effect: 'Allow',
        Action: ['kms:GenerateDataKey', 'kms:Encrypt', 'kms:Decrypt', 'kms:DescribeKey'],
        Resource: '*',
      }),
    }),
    iam('CreateAccessKey', { UserName: user }),
  ]);
  const platform = identityIn(answers.at(-1));
  const world = new ForeignAwsWorld({ endpoint, owner: identity, platform, role });
  return Object.assign(world, { userArn, asOwner: (...calls: AwsCall[]) => asOwner(endpoint, calls) });
}

/** The trust policy of the documentation for customers: this principal, with this external id. */
export function trust(principal: string): string {
  return policy({
    Effect: 'Allow',
    Principal: { AWS: principal },
    Action: 'sts:AssumeRole',
    Condition: { StringEquals: { 'sts:ExternalId': externalId } },
  });
}
