/**
 * The key ids that a KMS plugin shows to kube-apiserver: one for each key and version that the cluster's data goes
 * under, in the order in which they were current. An id is public and never used for a second time in this order:
 *
 *     id = kp1. ‖ hex(SHA-256("keyproxy/v1/kms-key-id" ‖ lp(tenant) ‖ lp(provider) ‖ lp(key) ‖ lp(version))[0..16)) ‖ . ‖ generation
 *
 * Nodes that saw the same keys in the same order have the same ids and need not speak with each other. A key that
 * comes back after another was current gets the next generation (docs/decisions/0013-kms-plugin.md).
 */
import { createHash } from 'node:crypto';
import type { KeyInfo } from '../kms/key-service.ts';
import { allRowsOf, textOf } from './kept-json.ts';
import { StartupError } from './startup-error.ts';
import type { StateFolder } from './state-folder.ts';

/** One key with one version, and since when it has been the current one. */
export interface KnownKeyId extends KeyInfo {
  readonly id: string;
  /** Whose key it is. */
  readonly tenant: string;
  readonly generation: number;
  /** Milliseconds since 1970. */
  readonly since: number;
}

/** How a key that is seen stands to the one that is current. */
export type Standing =
  | 'current'
  /** It is to become the current one. */
  | 'next'
  /** It is an earlier version of the current key, in a service whose versions only go up: an answer that is late. */
  | 'older'
  /** It is a version of the current key that was current before, in a service whose versions have no order. */
  | 'returning';

export interface KeyIdsOptions {
  readonly folder: Pick<StateFolder, 'path' | 'read' | 'write'>;
  /** Asked once tenants are there. */
  readonly tenantId: () => string;
  /** The least that an id may have. */
  readonly generation: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const fileName = 'key-ids.json';
const version = 1;
const hashLength = 16;
/** Services that count the versions of a key up. */
const counting: readonly string[] = ['vault', 'gcp_kms'];

export class KeyIds {
  readonly #options: KeyIdsOptions;
  #known: readonly KnownKeyId[];
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(options: KeyIdsOptions, known: readonly KnownKeyId[]) {
    this.#options = options;
    this.#known = known;
  }

  /**
   * Reads what was current so far. Throws a StartupError where there is a file that cannot be read: without it an id
   * might be used for a second time.
   */
  static async open(options: KeyIdsOptions): Promise<KeyIds> {
    const text = await options.folder.read(fileName).catch((error) => {
      throw unreadable(options.folder, error);
    });
    const known = text === undefined ? [] : historyOf(text);
    if (known === undefined) throw unreadable(options.folder);
    return new KeyIds(options, known);
  }

  /** The id that data goes under now; undefined where no key has been seen yet, by no earlier process either. */
  get current(): KnownKeyId | undefined {
    return this.#known.at(-1);
  }

  /** Throws a StartupError where the history is another tenant's: its ids would be shown for this one's key. */
  expectTenant(): void {
    const [tenant, before] = [this.#options.tenantId(), this.current?.tenant];
    if (before === undefined || before === tenant) return;
    const { path } = this.#options.folder;
    throw new StartupError(
      `${path}/${fileName} is of the tenant ${before}, and the tenant's file names ${tenant}: put the old tenant_id back, or give this tenant a state of its own`,
    );
  }

  standingOf(key: KeyInfo): Standing {
    const { current } = this;
    if (current === undefined || current.generation < this.#options.generation) return 'next';
    if (isSame(current, key)) return 'current';
    if (nameOf(current) !== nameOf(key)) return 'next';
    if (counting.includes(key.provider)) {
      return Number(key.keyVersion) < Number(current.keyVersion) ? 'older' : 'next';
    }
    return this.#known.some((row) => isSame(row, key)) ? 'returning' : 'next';
  }

  /**
   * Makes this the key that data goes under, unless it is already. The id is on the disk before anybody hears of it.
   * Rejects where it cannot be written; everything is as before then.
   */
  async follow(key: KeyInfo): Promise<KnownKeyId> {
    const turn = this.#writing.then(() => this.#follow(key));
    this.#writing = turn.catch(() => {});
    return await turn;
  }

  async #follow({ provider, keyId, keyVersion }: KeyInfo): Promise<KnownKeyId> {
    const { folder, tenantId, generation: least, now } = this.#options;
    const key = { provider, keyId, keyVersion };
    const { current } = this;
    if (current !== undefined && this.standingOf(key) === 'current') return current;
    const earlier = this.#known.filter((row) => isSame(row, key)).map((row) => row.generation + 1);
    const generation = Math.max(least, ...earlier);
    const tenant = tenantId();
    const row = { id: idOf(tenant, key, generation), tenant, ...key, generation, since: now() };
    const known = [...this.#known, row];
    await folder.write(fileName, textOf(known, version));
    this.#known = known;
    return row;
  }
}

function idOf(tenantId: string, { provider, keyId, keyVersion }: KeyInfo, generation: number): string {
  const hash = createHash('sha256').update('keyproxy/v1/kms-key-id');
  for (const part of [tenantId, provider, keyId, keyVersion]) {
    const bytes = Buffer.from(part);
    hash.update(Buffer.from([bytes.length >> 8, bytes.length & 0xff])).update(bytes);
  }
  return `kp1.${hash.digest().subarray(0, hashLength).toString('hex')}.${generation}`;
}

function nameOf({ provider, keyId }: KeyInfo): string {
  return `${provider} ${keyId}`;
}

/** Whether both are one key with one version. */
export function isSame(a: KeyInfo, b: KeyInfo): boolean {
  return nameOf(a) === nameOf(b) && a.keyVersion === b.keyVersion;
}

const providers: Readonly<Record<KeyInfo['provider'], true>> = {
  ...{ aws_kms: true, azure_kv: true, gcp_kms: true, vault: true, local: true },
};

function isProvider(value: unknown): value is KeyInfo['provider'] {
  return typeof value === 'string' && Object.hasOwn(providers, value);
}

/** All rows of a file, or nothing: a row that is left out is an id that may come back. */
function historyOf(text: string): readonly KnownKeyId[] | undefined {
  const known = allRowsOf(text, version)?.map(knownOf);
  if (known === undefined || known.length === 0 || !known.every((row) => row !== undefined)) return undefined;
  const [ids, tenants] = [new Set(known.map(({ id }) => id)), new Set(known.map(({ tenant }) => tenant))];
  return ids.size === known.length && tenants.size === 1 ? known : undefined;
}

function knownOf(row: Readonly<Record<string, unknown>>): KnownKeyId | undefined {
  const { id, tenant, provider, keyId, keyVersion, generation, since } = row;
  if (typeof tenant !== 'string' || !isProvider(provider)) return undefined;
  if (typeof keyId !== 'string' || typeof keyVersion !== 'string' || typeof since !== 'number') return undefined;
  if (typeof generation !== 'number' || !Number.isSafeInteger(generation) || generation < 1) return undefined;
  const key = { provider, keyId, keyVersion };
  // The id is made of all the rest but the time, so it vouches for that.
  return id === idOf(tenant, key, generation) ? { id, tenant, ...key, generation, since } : undefined;
}

function unreadable(folder: KeyIdsOptions['folder'], cause?: unknown): StartupError {
  return new StartupError(
    `${folder.path}/${fileName} cannot be read, and without it a key id might be used twice: copy the file of another control-plane node, or delete it and raise generation on all of them`,
    cause,
  );
}
