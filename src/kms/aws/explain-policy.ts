/**
 * What a key policy means for keyproxy: which of the permissions that it has a use for are there, which statement
 * gives them or stands against them, and what is to be changed. Pure: it asks nobody.
 */
import type { Finding } from '../finding.ts';
import type { PolicyStatement } from './key-policy.ts';
import { type UsedOperation, usedOperations, uses } from './permissions.ts';
import type { CallFacts } from './policy-condition.ts';
import { type Caller, type Decision, decide, names, type PlannedCall } from './policy-decision.ts';

/** Whose calls to which key. */
export interface PolicyQuestion {
  readonly caller: Caller;
  readonly keyArn: string;
  readonly tenantId: string;
  /** Whether a role that demands an external id stands in front of the key. */
  readonly isBehindRole: boolean;
}

/** The finding about one permission. */
export interface PermissionFinding extends Finding {
  readonly operation: UsedOperation;
}

/** The name under which a tenant's id stands in every encryption context, as a condition key. */
const tenantKey = 'kms:EncryptionContext:tenant_id';
/** Names no tenant: ids begin with a letter or a digit. */
const nobody = '-';

/** All findings about a policy: each permission, and whether it keeps other tenants out. */
export function explainPolicy(statements: readonly PolicyStatement[], question: PolicyQuestion): Finding[] {
  const permissions = explainPermissions(statements, question);
  if (question.isBehindRole || permissions.some(({ verdict }) => verdict === 'failed')) return permissions;
  return [...permissions, explainBinding(statements, question)];
}

/** The findings about the permissions alone, in the order of their table. */
export function explainPermissions(
  statements: readonly PolicyStatement[],
  question: PolicyQuestion,
): PermissionFinding[] {
  return usedOperations.map((operation) => {
    const decision = decide(statements, planned(operation, question, question.tenantId));
    const step = `the key's policy allows kms:${operation} (${uses[operation].features})`;
    const advice = adviceOn(decision, { operation, statements, question });
    return { operation, step, verdict: verdictOn(decision, operation), ...(advice !== undefined && { advice }) };
  });
}

function verdictOn({ kind }: Decision, operation: UsedOperation): Finding['verdict'] {
  if (kind === 'allowed' || kind === 'left-to-account') return 'ok';
  return kind !== 'conditional' && uses[operation].isNeeded ? 'failed' : 'warning';
}

function adviceOn(
  decision: Decision,
  {
    operation,
    statements,
    question,
  }: { operation: UsedOperation; statements: readonly PolicyStatement[]; question: PolicyQuestion },
): string | undefined {
  const without = `without it ${uses[operation].features} do not work`;
  switch (decision.kind) {
    case 'allowed':
      return undefined;
    case 'left-to-account':
      return `${decision.by.name} leaves it to account ${question.caller.accountId}, whose own policies have to allow it`;
    case 'conditional':
      return `${decision.by.name} makes it depend on ${listed(decision.keys)}, which cannot be judged here`;
    case 'excluded':
      return `${excludedBy(decision, operation)}; ${without}`;
    case 'denied':
      return `${decision.by.name} denies it; ${without}`;
    case 'missing':
      return `${whereToAdd(operation, statements, question)}; ${without}`;
  }
}

function excludedBy({ by, keys }: { by: PolicyStatement; keys: readonly string[] }, operation: UsedOperation): string {
  if (operation === 'DescribeKey' && keys.every((key) => /^kms:encryptioncontext/i.test(key))) {
    return `a call of kms:DescribeKey has no encryption context, which ${by.name} demands; allow it in one of its own`;
  }
  const service = keys.find((key) => key.toLowerCase() === 'kms:viaservice');
  if (service === undefined) return `${by.name} has a condition on ${listed(keys)} that keyproxy's calls do not meet`;
  return (
    `${by.name} has a condition on ${service}: it lets in calls that another service of AWS makes, and excludes the ` +
    'direct calls of keyproxy; remove that condition'
  );
}

/** The statement that should have it: one that names the caller already and works. */
function whereToAdd(
  operation: UsedOperation,
  statements: readonly PolicyStatement[],
  question: PolicyQuestion,
): string {
  const { caller } = question;
  const allowing = usedOperations
    .map((other) => decide(statements, planned(other, question, question.tenantId)))
    .find((decision) => decision.kind === 'allowed');
  const found =
    allowing?.kind === 'allowed' ? allowing.by : statements.find((one) => one.effect === 'Allow' && names(one, caller));
  if (found !== undefined) return `add kms:${operation} to ${found.name}`;
  return `no statement allows it to ${caller.arn}: add one with kms:${operation}`;
}

/** Where no role stands in front of a key, its policy alone can keep it from serving another tenant. */
function explainBinding(statements: readonly PolicyStatement[], question: PolicyQuestion): Finding {
  const open = (['GenerateDataKey', 'Decrypt'] as const).filter((operation) => {
    const { kind } = decide(statements, planned(operation, question, nobody));
    return kind === 'allowed' || kind === 'left-to-account';
  });
  const step = `the key's policy binds the key to this tenant (${tenantKey})`;
  if (open.length === 0) return { step, verdict: 'ok' };
  return { step, verdict: 'warning', advice: unboundAdvice(open) };
}

/** What to do about operations that the policy allows whatever the tenant's id is. */
export function unboundAdvice(open: readonly UsedOperation[]): string {
  const operations = open.map((operation) => `kms:${operation}`).join(' and ');
  return (
    `${operations} work for any tenant_id: add the condition "StringEquals": { "${tenantKey}": the tenant's id } ` +
    'to the statement, or put a role with an external id in front of the key'
  );
}

function planned(operation: UsedOperation, { caller, keyArn }: PolicyQuestion, tenantId: string): PlannedCall {
  return { caller, keyArn, action: `kms:${operation}`, facts: factsOf(operation, { caller, keyArn, tenantId }) };
}

/** What every call of keyproxy's has, and what none of them has. */
function factsOf(
  operation: UsedOperation,
  { caller, keyArn, tenantId }: { caller: Caller; keyArn: string; tenantId: string },
): CallFacts {
  return new Map([
    ['aws:principalarn', caller.arn],
    ['aws:principalaccount', caller.accountId],
    ['kms:calleraccount', caller.accountId],
    ['aws:requestedregion', keyArn.split(':')[3] ?? ''],
    ['aws:securetransport', 'true'],
    ['aws:viaawsservice', 'false'],
    ['kms:viaservice', 'absent'],
    ['kms:requestalias', 'absent'],
    ['aws:calledvia', 'absent'],
    ['aws:sourcearn', 'absent'],
    ['aws:sourceaccount', 'absent'],
    // DescribeKey has no encryption context at all.
    [tenantKey.toLowerCase(), operation === 'DescribeKey' ? 'absent' : tenantId],
  ]);
}

function listed(keys: readonly string[]): string {
  return keys.length === 0 ? 'conditions' : keys.join(', ');
}
