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

/** Audience → the Vaults that get tokens of it, each with the file that says so. */
type Uses = Map<string, { readonly login: Login; readonly by: LoadedTenant }[]>;

function addTo(uses: Uses, by: LoadedTenant): void {
  for (const login of loginsOf(by)) uses.set(login.audience, [...(uses.get(login.audience) ?? []), { login, by }]);
}

/**
 * What becomes of `wanted`, file by file. One that gives its Vault the audience of somebody else's is a problem, and its
 * version in `previous` stays, where there is one. What is served already is not asked again; of two that come together
 * neither is taken: whoever has not the right to the audience would get tokens for the other's Vault.
 */
export function withOwnAudiences(
  previous: ReadonlyMap<TenantId, LoadedTenant>,
  wanted: ReadonlyMap<TenantId, LoadedTenant>,
): { readonly tenants: ReadonlyMap<TenantId, LoadedTenant>; readonly problems: readonly ConfigProblem[] } {
  const uses: Uses = new Map();
  for (const tenant of wanted.values()) addTo(uses, tenant);
  const isServed = (id: TenantId, tenant: LoadedTenant) => previous.get(id)?.hash === tenant.hash;
  const open = new Map([...wanted].filter(([id, tenant]) => !isServed(id, tenant)));
  const tenants = new Map(wanted);
  const problems: ConfigProblem[] = [];
  // A version that stays may be in the way of another one.
  for (let refused = -1; refused < problems.length; ) {
    refused = problems.length;
    for (const [id, tenant] of open) {
      const clash = clashOf(tenant, uses);
      if (clash === undefined) continue;
      problems.push(clash);
      open.delete(id);
      const before = previous.get(id);
      if (before === undefined) tenants.delete(id);
      else {
        tenants.set(id, before);
        addTo(uses, before);
      }
    }
  }
  return { tenants, problems };
}

function clashOf(tenant: LoadedTenant, uses: Uses): ConfigProblem | undefined {
  for (const { audience, address } of loginsOf(tenant)) {
    const other = uses.get(audience)?.find(({ login, by }) => login.address !== address && isOthers(by, tenant));
    if (other === undefined) continue;
    return {
      ...{ file: tenant.file, line: 0, path: 'encryption.vault.auth.audience' },
      message:
        `${audience} is what ${other.by.config.customer}'s Vault at ${other.login.address} gets tokens for (${other.by.file}): ` +
        'either Vault could log in at the other with them; give each Vault an audience of its own',
    };
  }
  return undefined;
}

function isOthers({ config: one }: LoadedTenant, { config: other }: LoadedTenant): boolean {
  return one.tenantId !== other.tenantId && one.customer !== other.customer;
}
