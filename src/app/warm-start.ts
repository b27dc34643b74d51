/**
 * Warm start: the wrapped forms of the data keys that a tenant uses are written down now and then, and after a restart
 * they are unwrapped again, the most recently used first, one at a time and behind the calls of those who wait. No
 * plaintext is ever on disk; what a file says is no more than a caller could send.
 */
import { type Clock, pause, type Timer } from '../base/clock.ts';
import { isTenantId, type TenantId } from '../base/ids.ts';
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
/** The file of a tenant that is not served any more is kept for this long, in milliseconds. */
const forgottenMs = 7 * 24 * 3_600_000;
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

/** What is known of a tenant's file. */
interface Known {
  /** Ends when the file has been read: before that nothing is written in its place. */
  readonly read: Promise<void>;
  /** What it has that has not been fetched: it stays in there. */
  left: readonly Kept[];
  /** The state of the cache that it has. */
  saved?: number;
}

export class WarmStart implements AsyncDisposable {
  readonly #options: WarmStartOptions;
  readonly #end = new AbortController();
  readonly #known = new Map<TenantId, Known>();
  #isStarted = false;
  #saving: Promise<void> | undefined;
  #timer: Timer | undefined;

  constructor(options: WarmStartOptions) {
    this.#options = options;
  }

  /** Fetches what was in use before, and keeps the files in step from then on. Returns at once. */
  start(): void {
    this.#isStarted = true;
    for (const tenant of this.#options.registry.all()) this.served(tenant);
    void this.#sweep();
    this.#saveLater();
  }

  /** A tenant is served, or has a new file: where it is the first time, what it used before is fetched. */
  served(tenant: Tenant): void {
    const { id, settings } = tenant;
    if (!this.#isStarted || !settings.warmStart || this.#known.has(id)) return;
    const read = this.#readFile(id).then((kept) => {
      known.left = kept;
    });
    const known: Known = { left: [], read };
    this.#known.set(id, known);
    void known.read.then(() => this.#warm(id, known));
  }

  /** Brings the files of all who have been served since the start in step, after a saving that is under way. */
  save(): Promise<void> {
    const before = this.#saving ?? Promise.resolve();
    const saving = before
      .then(() => this.#saveAll())
      .finally(() => {
        if (this.#saving === saving) this.#saving = undefined;
      });
    this.#saving = saving;
    return saving;
  }

  /** Ends what is under way. What is in the cache after it goes into no file. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error('the daemon ends'));
    this.#timer?.[Symbol.dispose]();
    await this.#saving;
  }

  async #readFile(id: TenantId): Promise<readonly Kept[]> {
    try {
      const rows = rowsOf((await this.#options.folder.read(fileOf(id))) ?? textOf([], version), version);
      if (rows === undefined) throw new Error('the file is not one of keyproxy, or of another version');
      return rows.map(formsOf).filter((forms) => forms !== undefined);
    } catch (error) {
      this.#options.onFailure(id, error);
      return [];
    }
  }

  async #warm(id: TenantId, known: Known): Promise<void> {
    const { clock, random, onWarmed } = this.#options;
    const all = known.left.length;
    if (all === 0) return;
    try {
      await pause(clock, spreadMs * random(), this.#end.signal);
    } catch {
      return;
    }
    await this.#fetch(id, known);
    onWarmed(id, { fetched: all - known.left.length, of: all });
  }

  /** Goes on with whoever has the tenant's name: its file may change meanwhile. */
  async #fetch(id: TenantId, known: Known): Promise<void> {
    const { registry, keys } = this.#options;
    const failed: Kept[] = [];
    for (const forms of [...known.left]) {
      const tenant = registry.find(id);
      if (this.#end.signal.aborted || tenant === undefined || failed.length >= mostFailures) return;
      const rest = known.left.slice(failed.length + 1);
      await keys.warm(tenant, forms).catch(() => failed.push(forms));
      known.left = [...failed, ...rest];
    }
  }

  #saveLater(): void {
    this.#timer = this.#options.clock.after(saveEveryMs, async () => {
      await this.save();
      if (!this.#end.signal.aborted) this.#saveLater();
    });
  }

  async #saveAll(): Promise<void> {
    for (const [id, known] of this.#known) {
      await known.read;
      if (this.#end.signal.aborted) return;
      const tenant = this.#options.registry.find(id);
      if (tenant?.settings.warmStart) await this.#saveTenant(tenant, known);
      else await this.#forget(id);
    }
  }

  async #saveTenant({ id, settings }: Tenant, known: Known): Promise<void> {
    const { cache, folder, onFailure } = this.#options;
    const changes = cache.changes(id);
    if (known.saved === changes) return;
    const kept = [...cache.values(id, 'dek'), ...known.left];
    const rows = withoutTwins(kept.map(({ entries, context }) => keptForms(entries, context)));
    try {
      await folder.write(fileOf(id), textOf(rows.slice(0, settings.cacheMaxEntries), version));
      known.saved = changes;
    } catch (error) {
      onFailure(id, error);
    }
  }

  /** A tenant that is gone, or has no warm start any more. */
  async #forget(id: TenantId): Promise<void> {
    this.#known.delete(id);
    await this.#options.folder.remove(fileOf(id)).catch((error) => this.#options.onFailure(id, error));
  }

  /**
   * Files of tenants that went, or have no warm start any more, while no daemon ran. A tenant whose own file is bad for
   * now has time to come back.
   */
  async #sweep(): Promise<void> {
    const { folder, registry, clock } = this.#options;
    for (const { name, changedAt } of await folder.list()) {
      const id = tenantOf(name);
      if (id === undefined) continue;
      const tenant = registry.find(id);
      const isNeeded = tenant === undefined ? clock.now() - changedAt < forgottenMs : tenant.settings.warmStart;
      if (!isNeeded) await folder.remove(name).catch(() => {});
    }
  }
}

/** A tenant's id is a name that a file can have; the prefix keeps it apart from the other files. */
function fileOf(id: TenantId): string {
  return `warm-${id}.json`;
}

function tenantOf(name: string): TenantId | undefined {
  const [, id = ''] = /^warm-(.+)\.json$/.exec(name) ?? [];
  return isTenantId(id) ? id : undefined;
}

/** What somebody asked for that was left to its first use is both in the cache and left. */
function withoutTwins(rows: readonly KeptForms[]): KeptForms[] {
  return [...new Map(rows.map((row) => [`${row.context} ${row.entries}`, row])).values()];
}
