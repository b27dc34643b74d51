/**
 * The policy that goes along when a customer's role is assumed. It narrows that one session to one key and to the
 * operations that keyproxy uses; it never widens what the role may do (IAM User Guide, "Session policies").
 *
 * What it protects: a role is often allowed more than this key, other keys of the customer's or no KMS at all. Whoever
 * gets hold of a session, out of this process's memory or by a mistake in it, can still reach nothing but the key
 * that the tenant's file names; and a session that was opened for one key never works for another.
 */
import { usedOperations } from './permissions.ts';

interface Grant {
  readonly operations: readonly string[];
  readonly resource: string;
}

function policy(effect: 'Allow' | 'Deny', ...grants: readonly Grant[]): string {
  const Statement = grants.map(({ operations, resource }) => ({
    Effect: effect,
    Action: operations.map((operation) => `kms:${operation}`),
    Resource: resource,
  }));
  return JSON.stringify({ Version: '2012-10-17', Statement });
}

/** For sessions that serve: the operations that keyproxy uses, on the key of this ARN alone. */
export function servingPolicy(keyArn: string): string {
  return policy('Allow', { operations: usedOperations, resource: keyArn });
}

/** For the session of `keyproxy validate` that looks at a key's policy and rotation, and cannot use the key. */
export function inspectingPolicy(keyArn: string): string {
  return policy('Allow', { operations: ['GetKeyPolicy', 'GetKeyRotationStatus'], resource: keyArn });
}

/**
 * For the session that reads what a key is called and marked with, and cannot use it. ListAliases is not about any one
 * key, so AWS takes no name of one for it ("AWS KMS permissions" in the AWS KMS Developer Guide).
 */
export function namingPolicy(keyArn: string): string {
  return policy(
    'Allow',
    { operations: ['ListResourceTags'], resource: keyArn },
    { operations: ['ListAliases'], resource: '*' },
  );
}

/** For a session that nobody is to use: it was only asked for to learn whether it would be given. */
export const worthlessPolicy: string = policy('Deny', { operations: ['*'], resource: '*' });
