/**
 * The cells of the table of faults that the wire can have within seconds: a tenant and a key at the AWS simulator for each,
 * brought into its state by what an operator, a customer and a network really do.
 */
import type { SimulatedRole } from '../simulators/aws/principals.ts';
import type { AwsSimulator } from '../simulators/aws/server.ts';
import type { SimulatedKey } from '../simulators/aws/simulated-key.ts';
import { type AwsTenantOptions, customerRole } from './aws-tenant.ts';
import {
  type AnswerKind,
  allCells,
  type Calls,
  type Cell,
  canaryCalls,
  questionsOf,
  whyImpossible,
} from './fault-cells.ts';

/** A key that nobody has used for a minute takes a minute to become unproven. */
export const wireCells = allCells.filter((cell) => cell.tenant !== 'unproven' && whyImpossible(cell) === undefined);

export interface WireCell {
  readonly cell: Cell;
  readonly key: SimulatedKey;
  readonly role: SimulatedRole;
  readonly tenant: AwsTenantOptions;
}

/** Calls that reach AWS for a cell. */
export interface WireCalls extends Calls {
  readonly describeKey: number;
  readonly assumeRole: number;
}

/** Time limit of a call, in milliseconds. Where the service throttles, all four attempts are to find their time in it. */
export const timeoutOf = (answer: AnswerKind) => (answer === 'throttled' ? 2_500 : 1_500);
/** Entries of a tenant whose entries become due, and its limit of calls: together half of their life is time to renew. */
export const [dueEntries, dueRate, dueTtl] = [18, 5, 14];
const lines: Readonly<Record<Cell['cache'], string>> = {
  // One entry at a time: the second pushes the first out.
  absent: 'cache_config: { max_entries: 1 }',
  fresh: 'cache_config: { ttl_seconds: 300 }',
  due: `cache_config: { ttl_seconds: ${dueTtl} }`,
  expired: 'cache_config: { ttl_seconds: 4 }',
  off: 'cache_config: { ttl_seconds: 0 }',
};

/** Attempts of one call, where there are more than one. */
const attempts: Partial<Record<AnswerKind, number>> = { reset: 4, internal: 4, throttled: 4, hang: 2 };

/** The calls that a cell may make, beside requests with an expired session, which AWS takes for nobody's. */
export function wireCallsDue(cell: Cell): WireCalls {
  const { tenant, answer } = cell;
  const { isUnwrapped, isCanaryAsked } = questionsOf(cell);
  const isAsked = isUnwrapped || isCanaryAsked;
  // Nobody comes as far as the key.
  if (answer === 'role denied') return { unwrap: 0, generate: 0, describeKey: 0, assumeRole: isAsked ? 1 : 0 };
  const canary = isCanaryAsked ? canaryCalls(answer, false) : { unwrap: 0, generate: 0 };
  return {
    unwrap: (isUnwrapped ? (attempts[answer] ?? 1) : 0) + canary.unwrap,
    generate: canary.generate,
    // What an invalid state is, is looked up once for all that get it; and so is what kind of key it is that cannot be used.
    describeKey: (isAsked && answer === 'invalid state') || (tenant === 'refused' && answer === 'config') ? 1 : 0,
    assumeRole: 0,
  };
}

/** The tenant of a cell. */
export function wireCell(aws: AwsSimulator, cell: Cell): WireCell {
  const id = `${cell.tenant}-${cell.cache}-${cell.answer}`.replaceAll(' ', '-');
  const [key, externalId] = [aws.createKey(), `keyproxy-${id}`];
  const role = customerRole(aws, id, externalId);
  const rate = cell.cache === 'due' ? `, kms_calls_per_second: ${dueRate}` : '';
  const more = `
  ${lines[cell.cache]}
  canary: { interval_seconds: 300 }
  dek: { source: kms }
  limits: { kms_timeout_ms: ${timeoutOf(cell.answer)}${rate} }`;
  const behindRole = cell.answer === 'role denied' && { role: { arn: role.arn, externalId } };
  return { cell, key, role, tenant: { id, keyArn: key.arn, more, ...behindRole } };
}

/** From now on the service gives the cell's answer. */
export function give({ cell, key, role }: WireCell, aws: AwsSimulator): void {
  const { answer } = cell;
  const keyArn = key.arn;
  if (cell.tenant === 'refused' && answer !== 'disabled') key.enable();
  const error = (code: string, status = 400) => ({ kind: 'error', code, status }) as const;
  const actions: Readonly<Record<AnswerKind, () => unknown>> = {
    ok: () => {},
    denied: () => key.setPolicy(nobody),
    disabled: () => key.disable(),
    'role denied': () => {
      role.setTrust(aws.trustFor({ principal: stranger }));
      role.expireSessions();
    },
    reset: () => aws.faults.add({ keyArn, fault: { kind: 'reset' } }),
    hang: () => aws.faults.add({ keyArn, fault: { kind: 'hang' } }),
    internal: () => aws.faults.add({ keyArn, fault: error('KMSInternalException', 500) }),
    throttled: () => aws.faults.add({ keyArn, fault: { kind: 'throttle' } }),
    'invalid state': () => {
      aws.faults.add({ keyArn, fault: error('KMSInvalidStateException') });
      // Else the key's own state would tell what it is.
      aws.faults.add({ keyArn, operation: 'DescribeKey', fault: error('AccessDeniedException') });
    },
    'not found': () => key.remove(),
    data: () => aws.faults.add({ keyArn, operation: 'Decrypt', fault: error('InvalidCiphertextException') }),
    config: () => {
      for (const operation of ['Decrypt', 'GenerateDataKey']) {
        aws.faults.add({ keyArn, operation, fault: error('UnsupportedOperationException') });
      }
    },
  };
  actions[answer]();
}

const stranger = 'arn:aws:iam::999999999999:root';
const nobody = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: stranger }, Action: 'kms:*', Resource: '*' }],
};
