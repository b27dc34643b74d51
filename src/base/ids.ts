/** Names that are checked once, at the edge, and trusted from there on. */
import { KeyproxyError } from './errors.ts';

declare const brand: unique symbol;

/** One customer of the platform: 1 to 128 characters of `[A-Za-z0-9._-]`. */
export type TenantId = string & { readonly [brand]: 'TenantId' };

/** The rule for tenant ids, for messages. */
export const tenantIdRule = '1 to 128 characters of [A-Za-z0-9._-]';

const tenantIdPattern = /^[A-Za-z0-9._-]{1,128}$/;

/** Tells whether `value` may name a tenant. */
export function isTenantId(value: string): value is TenantId {
  return tenantIdPattern.test(value);
}

/** Takes a tenant id from outside; throws `TENANT_ID_INVALID` without repeating what came. */
export function parseTenantId(value: string): TenantId {
  if (isTenantId(value)) return value;
  throw new KeyproxyError('TENANT_ID_INVALID', {
    detail: value === '' ? 'tenant_id is empty' : `tenant_id has ${value.length} characters or a forbidden one`,
  });
}
