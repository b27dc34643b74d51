/** The tenants that are served right now. A change of configuration swaps tenants one by one, never a request's. */
import type { TenantId } from '../base/ids.ts';
import type { Tenant } from './tenant.ts';

export class TenantRegistry implements AsyncDisposable {
  readonly #tenants = new Map<TenantId, Tenant>();

  /** How many tenants there are. */
  get size(): number {
    return this.#tenants.size;
  }

  /** The tenant of this id, if it is served. */
  find(id: TenantId): Tenant | undefined {
    return this.#tenants.get(id);
  }

  /** All tenants. */
  all(): IterableIterator<Tenant> {
    return this.#tenants.values();
  }

  /** Tells whether a tenant other than `tenant` is configured with one of its keys, in whatever part. */
  sharesKeys(tenant: Tenant): boolean {
    const own = new Set(tenant.materialIds);
    for (const other of this.#tenants.values()) {
      if (other.id !== tenant.id && other.materialIds.some((id) => own.has(id))) return true;
    }
    return false;
  }

  /** Serves a tenant from now on. Returns the one that it replaces, which the caller disposes of. */
  put(tenant: Tenant): Tenant | undefined {
    const older = this.#tenants.get(tenant.id);
    this.#tenants.set(tenant.id, tenant);
    return older;
  }

  /** Stops serving a tenant. Returns it, for the caller to dispose of. */
  remove(id: TenantId): Tenant | undefined {
    const tenant = this.#tenants.get(id);
    this.#tenants.delete(id);
    return tenant;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const tenants = [...this.#tenants.values()];
    this.#tenants.clear();
    await Promise.all(tenants.map((tenant) => tenant[Symbol.asyncDispose]()));
  }
}
