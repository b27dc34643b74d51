/** A daemon whose tenants have their keys in the simulated AWS, set up as an operator and a customer would. */
import { randomUUID } from 'node:crypto';
import type { SimulatedRole } from '../simulators/aws/principals.ts';
import type { AwsSimulator } from '../simulators/aws/server.ts';
import { type Daemon, type DaemonOptions, startDaemon } from './daemon.ts';
import { type DaemonFolder, daemonFolder } from './daemon-folder.ts';

export interface AwsTenantOptions {
  readonly id: string;
  readonly keyArn: string;
  /** A role of the customer's in front of the key. */
  readonly role?: { readonly arn: string; readonly externalId: string };
  /** Lines to add under `encryption`. */
  readonly more?: string;
}

/** The tenant's file. */
export function awsTenant(aws: AwsSimulator, options: AwsTenantOptions): string {
  const { id, keyArn, role, more = '' } = options;
  const behindRole = role === undefined ? '' : `, role_arn: "${role.arn}", external_id: ${role.externalId}`;
  return `
customer: ${id}
tenant_id: ${id}
encryption:
  provider: aws_kms
  aws_kms: { key_arn: "${keyArn}", endpoint: "${aws.endpoint}"${behindRole} }
${more}
`;
}

/** A role whose trust policy demands `externalId` of the platform. */
export function customerRole(aws: AwsSimulator, name: string, externalId: string): SimulatedRole {
  return aws.createRole({ name, trust: aws.trustFor({ principal: aws.platform.arn, externalId }) });
}

/** A folder with these tenants, whose daemon trusts the simulator's address and logs everything. */
export function awsFolder(aws: AwsSimulator, tenants: readonly AwsTenantOptions[]): Promise<DaemonFolder> {
  return daemonFolder({
    extra: `
trusted_endpoints: ["${aws.endpoint}"]
aws: { sts_endpoint: "${aws.endpoint}" }
log: { level: trace }
`,
    tenants: Object.fromEntries(tenants.map((tenant) => [`${tenant.id}.yaml`, awsTenant(aws, tenant)])),
  });
}

/**
 * Starts a daemon in the folder, on a socket of its own there, with the platform's own credentials in its environment
 * and what `more` adds to that. `hardening` is as for `startDaemon`.
 */
export function startAwsDaemon(
  aws: AwsSimulator,
  folder: DaemonFolder,
  more: Readonly<Record<string, string>> = {},
  settings: Pick<DaemonOptions, 'hardening' | 'program'> = {},
): Promise<Daemon> {
  const { accessKeyId, secretAccessKey } = aws.platform;
  const socket = `${randomUUID()}.sock`;
  return startDaemon({
    ...folder.start,
    ...settings,
    socket,
    env: {
      KEYPROXY_LISTEN_UNIX: socket,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: '',
      AWS_REGION: 'us-east-1',
      AWS_EC2_METADATA_DISABLED: 'true',
      ...more,
    },
  });
}
