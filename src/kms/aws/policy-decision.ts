/** What a key policy says about one operation of one caller: which statement decides, and how. */
import type { Patterns, PolicyStatement } from './key-policy.ts';
import { type CallFacts, judge, judgeAll, matchesPattern, type Truth } from './policy-condition.ts';

/** A caller, as policies see it. */
export interface Caller {
  /** Of the user or role. */
  readonly arn: string;
  readonly accountId: string;
  /** Of the session, where the caller was named by it. */
  readonly sessionArn?: string;
}

/** A call to a key. */
export interface PlannedCall {
  readonly caller: Caller;
  /** `kms:Decrypt`, say. */
  readonly action: string;
  readonly keyArn: string;
  readonly facts: CallFacts;
}

/** What becomes of a call, and `by` which statement. */
export type Decision =
  | { readonly kind: 'allowed'; readonly by: PolicyStatement }
  /** The policy leaves it to the policies that the caller's account gives it. */
  | { readonly kind: 'left-to-account'; readonly by: PolicyStatement }
  /** It depends on conditions that cannot be judged without AWS. */
  | { readonly kind: 'conditional'; readonly by: PolicyStatement; readonly keys: readonly string[] }
  /** A statement would allow it, but for conditions that keyproxy's calls never meet. */
  | { readonly kind: 'excluded'; readonly by: PolicyStatement; readonly keys: readonly string[] }
  | { readonly kind: 'denied'; readonly by: PolicyStatement }
  /** No statement that is about the caller allows it. */
  | { readonly kind: 'missing' };

type Closeness = 'no' | 'account' | 'named';

/** Names of callers are `arn:aws:iam::ACCOUNT:role/NAME`, or of a session `arn:aws:sts::ACCOUNT:assumed-role/NAME/…`. */
const callerForm = /^arn:(?<partition>[a-z-]+):(?<service>iam|sts)::(?<account>\d{9}|\d{12}):(?<rest>[\w+=,.@:/-]+)$/;

/** The caller of this ARN; undefined for text that is no ARN of a user, a role or a session. */
export function callerOf(arn: string): Caller | undefined {
  const { partition, service, account: accountId, rest } = callerForm.exec(arn)?.groups ?? {};
  if (accountId === undefined || rest === undefined) return undefined;
  const session = /^assumed-role\/([^/]+)\/[^/]+$/.exec(rest);
  if (service === 'sts') {
    return session === null
      ? undefined
      : { arn: `arn:${partition}:iam::${accountId}:role/${session[1]}`, accountId, sessionArn: arn };
  }
  return /^(role|user)\/./.test(rest) ? { arn, accountId } : undefined;
}

/** Decides as AWS would, as far as the key policy goes (IAM User Guide, "Policy evaluation logic"). */
export function decide(statements: readonly PolicyStatement[], call: PlannedCall): Decision {
  const about = statements
    .filter(({ actions, resources }) => coversAction(actions, call.action) && covers(resources, call.keyArn))
    .map((by) => ({
      by,
      closeness: closenessOf(by.principals, call.caller),
      truth: judgeAll(by.conditions, call.facts),
    }))
    .filter(({ closeness }) => closeness !== 'no');
  const find = (effect: 'Allow' | 'Deny', truth: Truth, closeness?: Closeness) =>
    about.find(
      (one) => one.by.effect === effect && one.truth === truth && (closeness ?? one.closeness) === one.closeness,
    )?.by;
  const denying = find('Deny', 'yes');
  if (denying !== undefined) return { kind: 'denied', by: denying };
  const doubtful = find('Deny', 'unknown');
  const allowing = find('Allow', 'yes', 'named') ?? find('Allow', 'yes');
  if (allowing === undefined) return withoutYes(find, call);
  if (doubtful !== undefined)
    return { kind: 'conditional', by: doubtful, keys: keysThatAre('unknown', doubtful, call) };
  return { kind: find('Allow', 'yes', 'named') ? 'allowed' : 'left-to-account', by: allowing };
}

function withoutYes(find: (effect: 'Allow', truth: Truth) => PolicyStatement | undefined, call: PlannedCall): Decision {
  const conditional = find('Allow', 'unknown');
  if (conditional) return { kind: 'conditional', by: conditional, keys: keysThatAre('unknown', conditional, call) };
  const excluded = find('Allow', 'no');
  return excluded ? { kind: 'excluded', by: excluded, keys: keysThatAre('no', excluded, call) } : { kind: 'missing' };
}

/** Whether a statement names the caller itself. */
export function names({ principals }: PolicyStatement, caller: Caller): boolean {
  return closenessOf(principals, caller) === 'named';
}

function keysThatAre(truth: Truth, { conditions }: PolicyStatement, { facts }: PlannedCall): string[] {
  const keys = conditions.filter((condition) => judge(condition, facts) === truth).map(({ key }) => key);
  // What stands in a line of output has the form of a condition key, whatever the policy holds.
  return [...new Set(keys)].filter((key) => /^[A-Za-z0-9:/_.-]{1,128}$/.test(key));
}

function covers({ patterns, negated }: Patterns, value: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, value)) !== negated;
}

/** Names of actions have no case. */
function coversAction({ patterns, negated }: Patterns, action: string): boolean {
  return covers({ patterns: patterns.map((pattern) => pattern.toLowerCase()), negated }, action.toLowerCase());
}

function closenessOf({ patterns, negated }: Patterns, { arn, accountId, sessionArn }: Caller): Closeness {
  const isNamed = patterns.some((name) => name === '*' || name === arn || name === sessionArn);
  const isRoot = (name: string) => name === accountId || /^arn:[a-z-]+:iam::(\d+):root$/.exec(name)?.[1] === accountId;
  const isAccount = patterns.some(isRoot);
  if (negated) return isNamed || isAccount ? 'no' : 'named';
  if (isNamed) return 'named';
  return isAccount ? 'account' : 'no';
}
