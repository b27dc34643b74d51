/**
 * The refusals that are in force, in a file: a daemon that starts while a customer's service is silent must not serve
 * what the customer has withdrawn.
 */
import { isTenantId } from '../base/ids.ts';
import type { Sample } from '../tenants/key-watch.ts';
import { isRefusalReason, type RefusalRecord, recordOf, refusalFrom } from '../tenants/refusal.ts';
import { formsOf, keptForms, rowsOf, textOf } from './kept-json.ts';
import type { StateFolder } from './state-folder.ts';
import type { KnownRefusal } from './tenant-watches.ts';

const fileName = 'refusals.json';
const version = 1;
/** Of a SHA-256, in bytes. */
const hashLength = 32;

export interface RefusalFileOptions {
  readonly folder: StateFolder;
  /** The refusals of this moment. */
  readonly current: () => readonly KnownRefusal[];
  /** Told where it could not be written. */
  readonly onFailure: (error: unknown) => void;
}

/** Reads what an earlier process wrote. Undefined where there is a file and it cannot be read: it is set aside then. */
export async function readRefusals(folder: StateFolder): Promise<KnownRefusal[] | undefined> {
  const text = await folder.read(fileName);
  if (text === undefined) return [];
  const rows = rowsOf(text, version);
  if (rows === undefined) {
    await folder.setAside(fileName);
    return undefined;
  }
  return rows.map(refusalOf).filter((refusal) => refusal !== undefined);
}

/** Keeps the file in step, one writing at a time. */
export class RefusalFile implements AsyncDisposable {
  readonly #options: RefusalFileOptions;
  #writing: Promise<void> | undefined;
  #isStale = false;

  constructor(options: RefusalFileOptions) {
    this.#options = options;
  }

  /** Something has changed: the file follows. */
  changed(): void {
    this.#isStale = true;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Waits until the file is in step. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      try {
        const { folder, current } = this.#options;
        await folder.write(fileName, textOf(current().map(rowOf), version));
      } catch (error) {
        this.#options.onFailure(error);
      }
    }
  }
}

function rowOf({ tenantId, keyId, refusal, sample }: KnownRefusal): object {
  const kept = sample && { ...keptForms([sample.entry], sample.context), hash: sample.hash.toString('base64') };
  return { tenant_id: tenantId, key_id: keyId, ...recordOf(refusal), ...kept };
}

function sampleOf(row: Readonly<Record<string, unknown>>): Sample | undefined {
  const [forms, { hash }] = [formsOf(row), row];
  const entry = forms?.entries[0];
  if (forms === undefined || entry === undefined || typeof hash !== 'string') return undefined;
  const hashBytes = Buffer.from(hash, 'base64');
  return hashBytes.length === hashLength ? { entry, context: forms.context, hash: hashBytes } : undefined;
}

function refusalOf(row: Readonly<Record<string, unknown>>): KnownRefusal | undefined {
  const { tenant_id: tenantId, key_id: keyId, reason, since, provider, providerCode, requestId } = row;
  if (typeof tenantId !== 'string' || !isTenantId(tenantId) || typeof keyId !== 'string') return undefined;
  if (!isRefusalReason(reason) || typeof since !== 'number' || typeof provider !== 'string') return undefined;
  const record: RefusalRecord = {
    ...{ reason, since, provider },
    ...(typeof providerCode === 'string' && { providerCode }),
    ...(typeof requestId === 'string' && { requestId }),
  };
  const sample = sampleOf(row);
  return { tenantId, keyId, refusal: refusalFrom(record), ...(sample && { sample }) };
}
