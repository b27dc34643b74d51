/**
 * The service account that a token's claims name
 * (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens):
 *
 *     "sub": "system:serviceaccount:NAMESPACE:NAME",
 *     "kubernetes.io": { "namespace": "NAMESPACE", "serviceaccount": { "name": "NAME", "uid": … }, "pod": { … } }
 */
import type { Caller } from '../base/caller.ts';

/** A namespace is a DNS label, an account's name a DNS subdomain. */
const subjectPattern =
  /^system:serviceaccount:([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?):([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)$/;

/** The claim with the parts of the subject and what the token is bound to. */
const partsClaim = 'kubernetes.io';

/** What is wrong with the claims of a token, once its signature is right. */
export type AccountProblem = 'no account' | 'disagreement';

/** The account that Kubernetes gives this name as a user; undefined where no account can have it. */
export function serviceAccountNamed(user: string): Extract<Caller, { kind: 'service_account' }> | undefined {
  const [, namespace, name] = subjectPattern.exec(user) ?? [];
  if (namespace === undefined || name === undefined) return undefined;
  return { kind: 'service_account', namespace, name };
}

/** The account, or why there is none: the subject is somebody else, or the claims contradict each other. */
export function serviceAccountOf(claims: Readonly<Record<string, unknown>>): Caller | AccountProblem {
  const subject = claims['sub'];
  const account = typeof subject === 'string' ? serviceAccountNamed(subject) : undefined;
  if (account === undefined) return 'no account';
  if (Object.hasOwn(claims, partsClaim)) {
    const parts = claims[partsClaim];
    if (fieldOf(parts, 'namespace') !== account.namespace) return 'disagreement';
    if (fieldOf(fieldOf(parts, 'serviceaccount'), 'name') !== account.name) return 'disagreement';
  }
  return account;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}
