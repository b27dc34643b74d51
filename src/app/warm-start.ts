/**
 * Warm start: the wrapped forms of the data keys that a tenant uses are written down now and then, and after a restart
 * they are unwrapped again, the most recently used first, one at a time and behind the calls of those who wait. No
 * plaintext is ever on disk; what a file says is no more than a caller could send.
 */
import { type Clock, pause, type Timer } from '../base/clock.ts';
import type { TenantId } from '../base/ids.ts';
import type { KeyCache } from '../dek/key-cache.ts';
import type { TenantKey } from '../operations/tenant-key.ts';
import type { TenantKeys } from '../operations/tenant-keys.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import type { Tenant } from '../tenants/tenant.ts';
import { formsOf, type KeptForms, keptForms, rowsOf, textOf } from './kept-json.ts';
import type { StateFolder } from './state-folder.ts';

type Kept = NonNullable<ReturnType<typeof formsOf>>;

const version = 1;
/** How often files follow the cache, in milliseconds. */
const saveEveryMs = 60_000;
/** Longest wait before a tenant's first key is fetched, in milliseconds: nodes that restart together spread. */
const spreadMs = 2_000;
/** Failures after which a tenant's keys are left to their first use: its service is not to be pressed. */
const mostFailures = 3;

export interface WarmStartOptions {
  readonly folder: StateFolder;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly registry: TenantRegistry;
  readonly cache: KeyCache<TenantKey>;
  readonly keys: TenantKeys;
  /** Told how it went for a tenant, where there was something to fetch. */
  readonly onWarmed: (tenant: TenantId, outcome: { readonly fetched: number; readonly of: number }) => void;
  /** Told of a file that could not be read or written. */
  readonly onFailure: (tenant: TenantId, error: unknown) => void;
}

export class WarmStart implements AsyncDisposable {
  readonly #options: WarmStartOptions;
  readonly #end = new AbortController();
  /** The state of the cache that a tenant's file has. */
  readonly #saved = new Map<TenantId, number>();
  /** What a tenant's file has and has not been fetched: it stays in there. */
  readonly #left = new Map<TenantId, readonly Kept[]>();
  /** Ends when all files have been read: before that nothing is written in their place. */
  #read: Promise<unknown> = Promise.resolve();
  #timer: Timer | undefined;

  constructor(options: WarmStartOptions) {
    this.#options = options;
  }

  /** Fetches what was in use before, and keeps the files in step from then on. Returns at once. */
  start(): void {
    const read = this.#tenants().map((tenant) => this.#readFile(tenant).then((kept) => ({ tenant, kept })));
    this.#read = Promise.all(read);
    for (const each of read) void each.then(({ tenant, kept }) => this.#warm(tenant, kept));
    this.#saveLater();
  }

  /** Brings all files in step. */
  async save(): Promise<void> {
    await this.#read;
    const tenants = this.#tenants();
    for (const tenant of tenants) await this.#saveTenant(tenant);
    for (const id of this.#saved.keys()) if (!tenants.some((tenant) => tenant.id === id)) await this.#forget(id);
  }

  /** Ends what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error('the daemon ends'));
    this.#timer?.[Symbol.dispose]();
  }

  async #readFile(tenant: Tenant): Promise<readonly Kept[]> {
    try {
      const rows = rowsOf((await this.#options.folder.read(fileOf(tenant.id))) ?? textOf([], version), version);
      if (rows === undefined) throw new Error('the file is not one of keyproxy, or of another version');
      const kept = rows.map(formsOf).filter((forms) => forms !== undefined);
      this.#left.set(tenant.id, kept);
      return kept;
    } catch (error) {
      this.#options.onFailure(tenant.id, error);
      return [];
    }
  }

  async #warm(tenant: Tenant, kept: readonly Kept[]): Promise<void> {
    const { clock, random, onWarmed } = this.#options;
    if (kept.length === 0) return;
    try {
      await pause(clock, spreadMs * random(), this.#end.signal);
    } catch {
      return;
    }
    await this.#fetch(tenant, kept);
    onWarmed(tenant.id, { fetched: kept.length - (this.#left.get(tenant.id)?.length ?? 0), of: kept.length });
  }

  async #fetch(tenant: Tenant, kept: readonly Kept[]): Promise<void> {
    const failed: Kept[] = [];
    for (const [index, forms] of kept.entries()) {
      if (this.#end.signal.aborted || !tenant.isServed || failed.length >= mostFailures) return;
      await this.#options.keys.warm(tenant, forms).catch(() => failed.push(forms));
      this.#left.set(tenant.id, [...failed, ...kept.slice(index + 1)]);
    }
  }

  #saveLater(): void {
    this.#timer = this.#options.clock.after(saveEveryMs, async () => {
      await this.save();
      if (!this.#end.signal.aborted) this.#saveLater();
    });
  }

  async #saveTenant({ id, settings }: Tenant): Promise<void> {
    const { cache, folder, onFailure } = this.#options;
    const changes = cache.changes(id);
    if (this.#saved.get(id) === changes) return;
    const kept = [...cache.values(id, 'dek'), ...(this.#left.get(id) ?? [])];
    const rows = withoutTwins(kept.map(({ entries, context }) => keptForms(entries, context)));
    try {
      await folder.write(fileOf(id), textOf(rows.slice(0, settings.cacheMaxEntries), version));
      this.#saved.set(id, changes);
    } catch (error) {
      onFailure(id, error);
    }
  }

  /** A tenant that is gone, or has no warm start any more. */
  async #forget(id: TenantId): Promise<void> {
    this.#saved.delete(id);
    this.#left.delete(id);
    await this.#options.folder.remove(fileOf(id)).catch((error) => this.#options.onFailure(id, error));
  }

  #tenants(): Tenant[] {
    return [...this.#options.registry.all()].filter((tenant) => tenant.settings.warmStart);
  }
}

/** A tenant's id is a name that a file can have; the prefix keeps it apart from the other files. */
function fileOf(id: TenantId): string {
  return `warm-${id}.json`;
}

/** What somebody asked for that was left to its first use is both in the cache and left. */
function withoutTwins(rows: readonly KeptForms[]): KeptForms[] {
  return [...new Map(rows.map((row) => [`${row.context} ${row.entries}`, row])).values()];
}
