/**
 * What keyproxy does with a key, by the permission that it takes. One table: the session policy, `keyproxy validate`
 * and the advice on a policy are derived from it.
 */

/** An operation of AWS KMS that serving a tenant takes; `kms:` before it makes the permission. */
export type UsedOperation = 'GenerateDataKey' | 'Decrypt' | 'Encrypt' | 'DescribeKey';

/** What a permission is for. */
export interface Use {
  /** Without it keyproxy does not serve the tenant at all; without any other, `features` are missing. */
  readonly isNeeded: boolean;
  /** What keyproxy does by it, as the subject of a sentence in the plural. */
  readonly features: string;
}

/** Every permission that keyproxy has a use for. */
export const uses: Readonly<Record<UsedOperation, Use>> = {
  GenerateDataKey: { isNeeded: true, features: 'GenerateDEK and Encrypt' },
  Decrypt: { isNeeded: true, features: 'Unwrap and Decrypt' },
  Encrypt: { isNeeded: false, features: 'Rewrap, key rotation, replicas and RSA keys' },
  DescribeKey: { isNeeded: false, features: "exact messages about the key's state, and RSA keys" },
};

/** The operations of the table, in its order. */
export const usedOperations = Object.keys(uses) as readonly UsedOperation[];
