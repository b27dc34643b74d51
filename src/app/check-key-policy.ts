/** What a key policy would mean for a tenant, before anybody applies it. Calls no key service. */
import type { TenantConfig } from '../config/tenant-file.ts';
import type { Finding } from '../kms/finding.ts';

/** What was found, or why the question cannot be answered. */
export type PolicyCheck =
  | { readonly kind: 'findings'; readonly findings: readonly Finding[] }
  /** The text is no key policy of AWS for this tenant; each problem is a clause that follows the file's name. */
  | { readonly kind: 'unusable'; readonly problems: readonly string[] }
  /** Nobody said whose calls the policy is about, or not in a form that policies know. */
  | { readonly kind: 'no-principal'; readonly problem: string };

/**
 * Explains the text of a key policy for a tenant's current key and the caller that `principal` names, by default the
 * role of the tenant's file.
 */
export async function checkKeyPolicy(
  text: string,
  { tenant, principal }: { readonly tenant: TenantConfig; readonly principal?: string | undefined },
): Promise<PolicyCheck> {
  const { key, tenantId } = tenant;
  if (key.provider !== 'aws_kms') {
    return { kind: 'unusable', problems: [`is for keys of aws_kms, but this tenant's key is one of ${key.provider}`] };
  }
  const { keyArn, role } = key;
  const principalArn = principal ?? role?.arn;
  if (principalArn === undefined) return { kind: 'no-principal', problem: noPrincipal };
  const { explainPolicyText } = await import('../kms/aws/policy-text.ts');
  const meaning = explainPolicyText(text, { principalArn, keyArn, tenantId, isBehindRole: role !== undefined });
  return meaning.kind === 'unknown-principal' ? { kind: 'no-principal', problem: wrongPrincipal } : meaning;
}

const noPrincipal =
  'the tenant names no role, so --principal has to say who calls the key: the ARN that ' +
  '"aws sts get-caller-identity" prints where keyproxy runs';
const wrongPrincipal =
  '--principal takes the ARN of a role (arn:aws:iam::ACCOUNT:role/NAME), of a user, or of a session of a role';
