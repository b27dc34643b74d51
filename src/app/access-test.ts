/** What the policy says to one question, for whoever writes it. */
import { isTenantId, tenantIdRule } from '../base/ids.ts';
import { isVerb, verbs } from '../base/verb.ts';
import type { PolicySource } from '../config/daemon-file.ts';
import { rulesWithoutPolicy } from '../config/policy-file.ts';
import { callerNamed, callerNameForms } from '../identity/caller-name.ts';
import { readPolicy } from './policy.ts';

/** A caller, a tenant and an operation, by their names. */
export interface AccessQuestion {
  readonly caller: string;
  readonly tenant: string;
  readonly operation: string;
}

export type AccessAnswer =
  /** `rule` counts from 1, as in the file. */
  | { readonly kind: 'allowed'; readonly rule: number }
  | { readonly kind: 'denied'; readonly why: string }
  /** The question has no sense; the sentence says what would have one. */
  | { readonly kind: 'unclear'; readonly problem: string };

/** Answers from the policy. Throws a ConfigError where it cannot be used. */
export async function testAccess(question: AccessQuestion, source: PolicySource): Promise<AccessAnswer> {
  const { tenant, operation } = question;
  const caller = callerNamed(question.caller);
  if (caller === undefined) return unclear(`CALLER is the name of no caller; it is ${callerNameForms}`);
  if (!isTenantId(tenant)) return unclear(`TENANT is no tenant_id; it is ${tenantIdRule}`);
  if (!isVerb(operation)) return unclear(`OPERATION is one of ${verbs.join(', ')}`);
  const { policy } = await readPolicy(source);
  const rule = policy.ruleFor(caller, tenant, operation);
  if (rule !== undefined) return { kind: 'allowed', rule: rule + 1 };
  const others = policy.rightsOf(caller)(tenant);
  const why =
    others.size === 0
      ? 'no rule has this caller and this tenant'
      : `the rules that have this caller and this tenant allow only ${[...others].join(', ')}`;
  return { kind: 'denied', why };
}

function unclear(problem: string): AccessAnswer {
  return { kind: 'unclear', problem };
}

/** The policy where none is written. */
export const noPolicy: PolicySource = { kind: 'rules', rules: rulesWithoutPolicy(false) };
