/**
 * The `aws_kms` block: one key, and the role that stands in front of it.
 *
 * Patterns are AWS's own: ARNs of the partitions aws, aws-cn and aws-us-gov; the external id as
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html has it. Account numbers have 12 digits;
 * documents that shorten them to 9 are read as well, and fail at AWS.
 */
import type { AwsKeyConfig } from '../kms/key-config.ts';
import { endpoint, endpointProblem } from './address.ts';
import { optional, required, type Section, type Shape, scalar, section, type Values } from './shape.ts';
import { text } from './values.ts';

const arnStart = 'arn:(?<partition>aws|aws-cn|aws-us-gov)';
const account = '(?:[0-9]{9}|[0-9]{12})';
const regionName = '[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}';
const keyArnPattern = new RegExp(`^${arnStart}:kms:(?<region>${regionName}):${account}:key/[A-Za-z0-9-]{1,128}$`);
const aliasPattern = /^(?:arn:[a-z-]+:kms:[a-z0-9-]*:[0-9]*:)?alias\//;
const roleArnPattern = new RegExp(`^${arnStart}:iam::${account}:role/[\\w+=,.@/-]{1,576}$`);

const keyArnType = 'the ARN of a key (arn:aws:kms:REGION:ACCOUNT:key/KEY-ID)';

const keyArn: Shape<string> = scalar(keyArnType, (value) => {
  if (keyArnPattern.test(String(value))) return { value: String(value) };
  if (aliasPattern.test(String(value))) {
    return {
      wrong:
        'names an alias, which can be pointed at another key at any time; give the ARN of the key itself ' +
        '(aws kms describe-key --key-id ALIAS shows it)',
    };
  }
  return { wrong: `must be ${keyArnType}` };
});

const fields = {
  key_arn: required(keyArn, "The customer's key. Multi-Region keys (`mrk-…`) included, aliases not."),
  role_arn: optional(
    text('the ARN of a role (arn:aws:iam::ACCOUNT:role/NAME)', roleArnPattern),
    'Role of the customer that keyproxy assumes before it calls the key. Needs `external_id`.',
    "none: keyproxy's own identity calls the key",
  ),
  external_id: optional(
    text('2 to 1224 characters of [A-Za-z0-9_+=,.@:/-]', /^[\w+=,.@:/-]{2,1224}$/),
    "External id that the role's trust policy demands. Needs `role_arn`.",
  ),
  region: optional(
    text('a region of AWS (us-east-1)', new RegExp(`^${regionName}$`)),
    "Region of the key; must be the ARN's.",
    'from `key_arn`',
  ),
  endpoint: optional(
    endpoint,
    'A VPC endpoint, or a simulator. HTTPS, and neither loopback nor link-local, unless it is listed under ' +
      "`trusted_endpoints` in the daemon's file.",
    "the region's own",
  ),
};

type AwsBlock = Values<typeof fields>;

/** The block's shape; `trustedEndpoints` are the origins that need not be HTTPS or remote. */
export function awsBlock(trustedEndpoints: readonly string[]): Shape<AwsBlock> {
  return section(fields, (values, block) => {
    checkRole(values, block);
    const { key_arn: arn, region } = values;
    const own = keyArnPattern.exec(arn ?? '')?.groups?.['region'];
    if (own !== undefined && region !== undefined && region !== own) {
      block.problem('region', `is ${region}, but the key's ARN says ${own}; leave region out`);
    }
    const trouble = values.endpoint === undefined ? undefined : endpointProblem(values.endpoint, trustedEndpoints);
    if (trouble !== undefined) block.problem('endpoint', trouble);
  });
}

function checkRole(values: Partial<AwsBlock>, block: Section): void {
  if (block.has('role_arn') && !block.has('external_id')) {
    block.problem(
      'external_id',
      'is missing; a role is only assumed with the external id that its trust policy demands',
    );
  }
  if (block.has('external_id') && !block.has('role_arn')) {
    block.problem('role_arn', 'is missing; an external id is of no use without the role that demands it');
  }
  const keyPartition = keyArnPattern.exec(values.key_arn ?? '')?.groups?.['partition'];
  const rolePartition = roleArnPattern.exec(values.role_arn ?? '')?.groups?.['partition'];
  if (keyPartition !== undefined && rolePartition !== undefined && keyPartition !== rolePartition) {
    block.problem('role_arn', `is in the partition ${rolePartition}, but the key is in ${keyPartition}`);
  }
}

/** The key as the provider takes it. */
export function awsKeyConfig(block: AwsBlock): AwsKeyConfig {
  const region = block.region ?? keyArnPattern.exec(block.key_arn)?.groups?.['region'] ?? '';
  return {
    provider: 'aws_kms',
    keyArn: block.key_arn,
    region,
    ...(block.role_arn !== undefined &&
      block.external_id !== undefined && { role: { arn: block.role_arn, externalId: block.external_id } }),
    ...(block.endpoint !== undefined && { endpoint: block.endpoint }),
  };
}
