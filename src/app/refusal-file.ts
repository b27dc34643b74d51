/**
 * The refusals that are in force, in a file: a daemon that starts while a customer's service is silent must not serve
 * what the customer has withdrawn.
 */
import { EncryptionContext } from '../base/encryption-context.ts';
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
  return { tenant_id: tenantId, key_id: keyId, ...recordOf(refusal), ...(sample && keptSample(sample)) };
}

function keptSample(sample: Sample): object {
  if (!('entry' in sample)) return { context: sample.context.serialized.toString('base64') };
  return { ...keptForms([sample.entry], sample.context), hash: sample.hash.toString('base64') };
}

function sampleOf(row: Readonly<Record<string, unknown>>): Sample | undefined {
  const { hash, context: text } = row;
  const context = typeof text === 'string' ? EncryptionContext.parse(Buffer.from(text, 'base64')) : undefined;
  if (context === undefined) return undefined;
  const entry = formsOf(row)?.entries[0];
  const hashBytes = Buffer.from(typeof hash === 'string' ? hash : '', 'base64');
  return entry === undefined || hashBytes.length !== hashLength ? { context } : { entry, context, hash: hashBytes };
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
