/**
 * The refusals that are in force, in a file: a daemon that starts while a customer's service is silent must not serve
 * what the customer has withdrawn.
 */
import { type Clock, pause } from '../base/clock.ts';
import { EncryptionContext } from '../base/encryption-context.ts';
import { isTenantId } from '../base/ids.ts';
import { isRefusalReason, type RefusalRecord, recordOf, refusalFrom } from '../tenants/refusal.ts';
import { Samples, type Wrapped } from '../tenants/samples.ts';
import { formsOf, isRecord, keptForms, rowsOf, textOf } from './kept-json.ts';
import type { StateFolder } from './state-folder.ts';
import type { KnownRefusal } from './tenant-watches.ts';

/** Between two attempts to write it, in milliseconds. */
const retryMs = 2_000;

const fileName = 'refusals.json';
const version = 1;
/** Of a SHA-256, in bytes. */
const hashLength = 32;

export interface RefusalFileOptions {
  readonly folder: StateFolder;
  readonly clock: Clock;
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

/** Keeps the file in step, one writing at a time. What could not be written is tried again. */
export class RefusalFile implements AsyncDisposable {
  readonly #options: RefusalFileOptions;
  readonly #end = new AbortController();
  #writing: Promise<void> | undefined;
  #isStale = false;

  constructor(options: RefusalFileOptions) {
    this.#options = options;
  }

  /** Something has changed: the file follows. */
  changed(): void {
    this.#isStale = true;
    this.#writing ??= this.#write();
  }

  /** Waits until the file is in step, or could not be written once more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error('the daemon ends'));
    await this.#writing;
  }

  async #write(): Promise<void> {
    const { folder, clock, current, onFailure } = this.#options;
    while (this.#isStale) {
      this.#isStale = false;
      try {
        await folder.write(fileName, textOf(current().map(rowOf), version));
      } catch (error) {
        onFailure(error);
        if (this.#end.signal.aborted) break;
        this.#isStale = true;
        await pause(clock, retryMs, this.#end.signal).catch(() => {});
      }
    }
    this.#writing = undefined;
  }
}

function rowOf({ tenantId, keyId, refusal, samples }: KnownRefusal): object {
  const wrapped = samples.wrapped.map(({ entry, context, hash }) => ({
    ...keptForms([entry], context),
    hash: hash.toString('base64'),
  }));
  const wanted = samples.wanted?.serialized.toString('base64');
  return { tenant_id: tenantId, key_id: keyId, ...recordOf(refusal), samples: wrapped, ...(wanted && { wanted }) };
}

function samplesOf({ samples, wanted }: Readonly<Record<string, unknown>>): Samples {
  const wrapped = Array.isArray(samples) ? samples.map(wrappedOf).filter((sample) => sample !== undefined) : [];
  const context = typeof wanted === 'string' ? EncryptionContext.parse(Buffer.from(wanted, 'base64')) : undefined;
  return new Samples({ wrapped, wanted: context });
}

function wrappedOf(row: unknown): Wrapped | undefined {
  if (!isRecord(row)) return undefined;
  const forms = formsOf(row);
  const [entry, hash] = [forms?.entries[0], Buffer.from(String(row['hash']), 'base64')];
  if (forms === undefined || entry === undefined || hash.length !== hashLength) return undefined;
  return { entry, context: forms.context, hash };
}

function refusalOf(row: Readonly<Record<string, unknown>>): KnownRefusal | undefined {
  const { tenant_id: tenantId, key_id: keyId, reason, since, provider, providerCode, requestId } = row;
  if (typeof tenantId !== 'string' || !isTenantId(tenantId) || typeof keyId !== 'string') return undefined;
  if (!isRefusalReason(reason) || typeof since !== 'number' || typeof provider !== 'string') return undefined;
  // A no is kept, whatever its time was.
  const time = Number.isFinite(since) ? since : 0;
  const record: RefusalRecord = {
    ...{ reason, since: time, provider },
    ...(typeof providerCode === 'string' && { providerCode }),
    ...(typeof requestId === 'string' && { requestId }),
  };
  return { tenantId, keyId, refusal: refusalFrom(record), samples: samplesOf(row) };
}
