/** A key policy from its text to what it means, without AWS and without its SDK. */
import type { Finding } from '../finding.ts';
import { explainPolicy } from './explain-policy.ts';
import { parseKeyPolicy } from './key-policy.ts';
import { callerOf } from './policy-decision.ts';

/** Whose calls to which key the policy is read for. */
export interface PolicyReading {
  /** ARN of a role, of a user, or of a session of a role. */
  readonly principalArn: string;
  readonly keyArn: string;
  readonly tenantId: string;
  /** Whether a role that demands an external id stands in front of the key. */
  readonly isBehindRole: boolean;
}

/** What a text means; `unknown-principal`: the caller is named by no ARN of a role, a user or a session. */
export type PolicyMeaning =
  | { readonly kind: 'findings'; readonly findings: readonly Finding[] }
  /** The text is no key policy; each problem is a clause that follows the file's name. */
  | { readonly kind: 'unusable'; readonly problems: readonly string[] }
  | { readonly kind: 'unknown-principal' };

/** Explains the text of a key policy. */
export function explainPolicyText(text: string, { principalArn, ...question }: PolicyReading): PolicyMeaning {
  const caller = callerOf(principalArn);
  if (caller === undefined) return { kind: 'unknown-principal' };
  const policy = parseKeyPolicy(text);
  if (policy.kind === 'unusable') return policy;
  return { kind: 'findings', findings: explainPolicy(policy.statements, { caller, ...question }) };
}
