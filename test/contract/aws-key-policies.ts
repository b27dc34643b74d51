/**
 * The key policies of the product's guides, word for word, with the account numbers of a test in the places where the
 * guides have a placeholder. All of them name the platform's own role: there is no role to assume and no external id.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** `setup-guide`: BYOK setup guide, the policy to apply; `…-via-service`: the one above it; and the other guide's. */
export type GuidePolicy = 'setup-guide' | 'setup-guide-via-service' | 'implementation-guide';

/** The customer's account in the tests. */
export const customerAccount = '111122223333';
/** Names of the role that the policies name, and its account. */
export const platformRoles: Readonly<Record<GuidePolicy, { name: string; accountId: string }>> = {
  'setup-guide': { name: 'ascend-byok-service', accountId: '123456789012' },
  'setup-guide-via-service': { name: 'ascend-byok-service', accountId: '123456789012' },
  'implementation-guide': { name: 'byok-service', accountId: '123456789012' },
};

/** The policy's text. */
export function guidePolicy(name: GuidePolicy): string {
  return readFileSync(join(import.meta.dirname, 'aws-key-policies', `${name}.json`), 'utf8')
    .replaceAll('YOUR_ACCOUNT_ID', customerAccount)
    .replaceAll('CUSTOMER_ACCOUNT', customerAccount)
    .replaceAll('PLATFORM_ACCOUNT', platformRoles[name].accountId);
}
