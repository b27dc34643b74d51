/**
 * Whose Vault a token is for. A customer's Vault sees the token that keyproxy logs in with; were it good at another
 * customer's Vault as well, the one could be keyproxy at the other. So an audience is of one customer, or of one server.
 */
import type { TenantId } from '../base/ids.ts';
import type { ConfigProblem } from './problem.ts';
import type { LoadedTenant } from './tenant-scan.ts';

/** A Vault that gets tokens of an audience. */
interface Login {
  readonly audience: string;
  readonly address: string;
}

function loginsOf({ config: { key, replicas, retired } }: LoadedTenant): Login[] {
  return [key, ...replicas, ...retired].flatMap((each) =>
    each.provider === 'vault' && each.auth.method === 'kubernetes'
      ? [{ audience: each.auth.audience, address: each.address }]
      : [],
  );
}

/**
 * Those of `wanted` that may be taken. One that asks for an audience of somebody else's Vault is a problem, and its
 * version in `previous` stays, where there is one. What was served before comes first, then the order of `wanted`.
 */
export function withOwnAudiences(
  previous: ReadonlyMap<TenantId, LoadedTenant>,
  wanted: ReadonlyMap<TenantId, LoadedTenant>,
): { readonly tenants: ReadonlyMap<TenantId, LoadedTenant>; readonly problems: readonly ConfigProblem[] } {
  const uses = new Map<string, { readonly login: Login; readonly by: LoadedTenant }[]>();
  const use = (by: LoadedTenant) => {
    for (const login of loginsOf(by)) uses.set(login.audience, [...(uses.get(login.audience) ?? []), { login, by }]);
  };
  const isServed = (tenant: LoadedTenant) => previous.get(tenant.config.tenantId)?.hash === tenant.hash;
  // The version that is served has its audiences until another one is taken in its place.
  for (const id of wanted.keys()) {
    const before = previous.get(id);
    if (before !== undefined) use(before);
  }
  const tenants = new Map<TenantId, LoadedTenant>();
  const problems: ConfigProblem[] = [];
  for (const [id, tenant] of wanted) {
    const clash = isServed(tenant) ? undefined : clashOf(tenant, uses);
    if (clash === undefined) use(tenant);
    else problems.push(clash);
    const taken = clash === undefined ? tenant : previous.get(id);
    if (taken !== undefined) tenants.set(id, taken);
  }
  return { tenants, problems };
}

function clashOf(
  tenant: LoadedTenant,
  uses: ReadonlyMap<string, readonly { readonly login: Login; readonly by: LoadedTenant }[]>,
): ConfigProblem | undefined {
  for (const { audience, address } of loginsOf(tenant)) {
    const other = uses.get(audience)?.find(({ login, by }) => login.address !== address && isOthers(by, tenant));
    if (other === undefined) continue;
    return {
      ...{ file: tenant.file, line: 0, path: 'encryption.vault.auth.audience' },
      message:
        `${audience} is what ${other.by.config.customer}'s Vault at ${other.login.address} gets tokens for (${other.by.file}): ` +
        "with them it could log in at this customer's; give each Vault an audience of its own",
    };
  }
  return undefined;
}

function isOthers({ config: one }: LoadedTenant, { config: other }: LoadedTenant): boolean {
  return one.tenantId !== other.tenantId && one.customer !== other.customer;
}
