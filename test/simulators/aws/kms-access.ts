/** What stands between a KMS request and a key: permission, usage and state, in this order. */
import { authorize, principalFacts } from './authorization.ts';
import type { ContextPairs } from './ciphertext-blob.ts';
import { checkStore, stateOf } from './custom-key-store.ts';
import { kmsError } from './errors.ts';
import type { Principal } from './identities.ts';
import type { KeyRecord, KeyState, KeyUsage, ResolvedKey } from './keys.ts';

/** Algorithms of Encrypt and Decrypt. */
export type EncryptionAlgorithm = 'SYMMETRIC_DEFAULT' | 'RSAES_OAEP_SHA_1' | 'RSAES_OAEP_SHA_256';

/** What a key state does to cryptographic operations (KMS developer guide, "Key states of AWS KMS keys"). */
const stateEffects: Record<
  KeyState,
  { readonly code: 'DisabledException' | 'KMSInvalidStateException'; readonly text: string } | undefined
> = {
  Enabled: undefined,
  Updating: undefined,
  Disabled: { code: 'DisabledException', text: 'is disabled.' },
  Creating: { code: 'KMSInvalidStateException', text: 'is creating.' },
  PendingDeletion: { code: 'KMSInvalidStateException', text: 'is pending deletion.' },
  PendingImport: { code: 'KMSInvalidStateException', text: 'is pending import.' },
  PendingReplicaDeletion: { code: 'KMSInvalidStateException', text: 'is pending replica deletion.' },
  Unavailable: { code: 'KMSInvalidStateException', text: 'is unavailable.' },
};

export interface KeyAccess {
  readonly principal: Principal;
  readonly region: string;
  /** `kms:Decrypt`, say. */
  readonly action: string;
  readonly context?: ContextPairs;
  readonly algorithm?: EncryptionAlgorithm;
}

/** Throws an AccessDeniedException unless the caller may do `action` on the key. */
export function checkPermission({ key, alias }: ResolvedKey, access: KeyAccess): void {
  const facts = new Map<string, readonly string[]>([
    ...principalFacts(access.principal, access.region),
    ['kms:calleraccount', [access.principal.accountId]],
    ['kms:keyspec', [key.spec]],
    ['kms:keyusage', [key.usage]],
    ['kms:keyorigin', [key.store?.type ?? 'AWS_KMS']],
    ['kms:multiregion', [String(key.keyId.startsWith('mrk-'))]],
  ]);
  if (alias !== undefined) facts.set('kms:requestalias', [alias]);
  if (access.algorithm !== undefined) facts.set('kms:encryptionalgorithm', [access.algorithm]);
  if (access.context !== undefined && access.context.size > 0) addContext(facts, access.context);
  const resource = { arn: key.arn, accountId: key.accountId, policy: key.policy };
  const decision = authorize({ principal: access.principal, action: access.action, resource, facts });
  if (decision.allowed) return;
  throw kmsError(
    'AccessDeniedException',
    `User: ${access.principal.arn} is not authorized to perform: ${access.action} on resource: ${key.arn} ${decision.because}`,
  );
}

/** Names of condition keys have no case, so pairs that differ in case alone meet under one name. */
function addContext(facts: Map<string, readonly string[]>, context: ContextPairs): void {
  facts.set('kms:encryptioncontextkeys', [...context.keys()]);
  for (const [name, value] of context) {
    const fact = `kms:encryptioncontext:${name.toLowerCase()}`;
    facts.set(fact, [...(facts.get(fact) ?? []), value]);
  }
}

/** Throws an InvalidKeyUsageException for a key that was made for something else. */
export function checkUsage(key: KeyRecord, usage: KeyUsage, operation: string): void {
  if (key.usage === usage) return;
  throw kmsError(
    'InvalidKeyUsageException',
    `${key.arn} key usage is ${key.usage} which is not valid for ${operation}.`,
  );
}

/** Throws the exception of a state, or of a custom key store, that stops cryptographic operations. */
export function checkState(key: KeyRecord): void {
  const effect = stateEffects[stateOf(key)];
  if (effect !== undefined) throw kmsError(effect.code, `${key.arn} ${effect.text}`);
  checkStore(key);
}
