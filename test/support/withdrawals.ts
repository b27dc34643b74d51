/**
 * The ways in which a customer takes a key away, as tenants of one daemon: each with its no, its yes, and what must come
 * of them. Whoever measures the time from a no to the last plaintext does it for all of these.
 */
import { customerRole } from './aws-tenant.ts';
import type { CloudKey, Clouds } from './clouds.ts';

/** Every way, by name. */
export const waysOfWithdrawal = [
  'aws_kms',
  'azure_kv',
  'gcp_kms',
  'vault',
  /** The key is a replica that stands in for a primary that gives no answer. */
  'replica',
  /** The role keeps its trust and loses its permission to use the key. */
  'role',
  /** The trust policy asks for another external id; the session ends early. */
  'external-id',
] as const;

export type WayOfWithdrawal = (typeof waysOfWithdrawal)[number];

export interface Withdrawal {
  readonly way: WayOfWithdrawal;
  /** The id of its tenant. */
  readonly tenant: string;
  /** What stands under `encryption` in the tenant's file. */
  readonly file: string;
  /** What calls fail with after the no. */
  readonly reason: string;
  /** To be done once the daemon serves, before the first data key is made. */
  prepare(): void;
  no(): void;
  yes(): void;
}

/** The interval of the canary in all of these tenants, in milliseconds: the shortest that a file may say. */
export const intervalMs = 10_000;
/** A new data key for each GenerateDEK, and a day to live in the cache: the canary alone can hear the no. */
const rest = `canary: { interval_seconds: ${intervalMs / 1000} }\ndek: { source: kms }`;

/** One withdrawal of each way, with tenants whose names end in `suffix`. */
export function withdrawalsOf(clouds: Clouds, suffix: string): Withdrawal[] {
  return waysOfWithdrawal.map((way) => {
    const tenant = `${way.replace('_', '-')}-${suffix}`;
    switch (way) {
      case 'replica':
        return ofReplica(clouds, tenant);
      case 'role':
      case 'external-id':
        return ofRole(clouds, { way, tenant });
      default:
        return ofKey(clouds.make[way](), { way, tenant });
    }
  });
}

/** Where a no that reaches the key itself is concerned. */
function ofKey(key: CloudKey, { way, tenant }: Pick<Withdrawal, 'way' | 'tenant'>): Withdrawal {
  return {
    ...{ way, tenant },
    file: `provider: ${key.provider}\n${key.provider}: ${key.block}\n${rest}`,
    reason: way === 'vault' ? 'KEY_ACCESS_DENIED' : 'KEY_DISABLED',
    prepare: () => {},
    no: () => key.disable(),
    yes: () => key.enable(),
  };
}

function ofReplica({ make }: Clouds, tenant: string): Withdrawal {
  const [primary, replica] = [make.aws_kms(), make.gcp_kms()];
  const block = `provider: ${replica.provider}, ${replica.provider}: ${replica.block}`;
  return {
    ...{ way: 'replica', tenant },
    file: `provider: aws_kms\naws_kms: ${primary.block}\nreplicas: [{ ${block} }]\n${rest}`,
    // What was made during the primary's silence is wrapped for the replica alone.
    reason: 'KEY_DISABLED',
    prepare: () => {
      primary.silence();
    },
    no: () => replica.disable(),
    yes: () => replica.enable(),
  };
}

function ofRole({ aws }: Clouds, { way, tenant }: Pick<Withdrawal, 'way' | 'tenant'>): Withdrawal {
  const [externalId, key] = [`keyproxy-${tenant}`, aws.createKey()];
  const role = customerRole(aws, tenant, externalId);
  const allow = (effect: 'Allow' | 'Deny') => ({
    Version: '2012-10-17',
    Statement: [{ Effect: effect, Action: 'kms:*', Resource: '*' }],
  });
  const trust = (id: string) => role.setTrust(aws.trustFor({ principal: aws.platform.arn, externalId: id }));
  const isTrust = way === 'external-id';
  return {
    ...{ way, tenant },
    file:
      `provider: aws_kms\naws_kms: { key_arn: "${key.arn}", endpoint: "${aws.endpoint}", ` +
      `role_arn: "${role.arn}", external_id: ${externalId} }\n${rest}`,
    reason: isTrust ? 'ROLE_DENIED' : 'KEY_ACCESS_DENIED',
    prepare: () => {},
    no() {
      if (isTrust) trust('another');
      else role.setPermissions(allow('Deny'));
      // Else it would be heard within two thirds of a session, which no test waits for.
      if (isTrust) role.expireSessions();
    },
    yes: () => (isTrust ? trust(externalId) : role.setPermissions(allow('Allow'))),
  };
}
