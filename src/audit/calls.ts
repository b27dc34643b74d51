/** Entries put together again: the begin and the end of each call as one row. */
import type { OutcomeName } from './entry.ts';
import { linePrefix, sealPrefix } from './seal.ts';

/** One call, as far as the log tells. */
export interface CallRow {
  readonly id: string;
  /** When it began; when it ended where only that was recorded. */
  readonly time: string;
  /** Undefined where it did not end, as for all else that follows. */
  readonly ended?: string;
  readonly caller: string;
  readonly tenant: string;
  readonly operation: string;
  /** `unfinished` where the log has no end of it. */
  readonly outcome: OutcomeName | 'unfinished';
  readonly reason?: string;
  readonly provider?: string;
  readonly key?: string;
  readonly keyVersion?: string;
  readonly providerRequestId?: string;
}

/** So many calls can be under way; the oldest of more counts as unfinished. */
const mostBegun = 100_000;

type Json = Readonly<Record<string, unknown>>;

/** Pairs entries; rows come in the order in which the calls ended, those without an end at the end. */
export class CallPairs {
  readonly #begun = new Map<string, CallRow>();
  /** Lines that look like entries and are none. */
  odd = 0;

  /** The row that this line, one character a byte, completes. */
  line(text: string): CallRow | undefined {
    if (!text.startsWith(linePrefix) || text.startsWith(sealPrefix)) return undefined;
    const entry = parse(text);
    const row = entry === undefined ? undefined : rowOf(entry);
    if (entry === undefined || row === undefined) {
      if (entry?.['lost'] === undefined) this.odd += 1;
      return undefined;
    }
    if (entry['phase'] === 'begin') return this.#begin(row);
    if (entry['phase'] === 'call') return row;
    const begun = this.#begun.get(row.id);
    this.#begun.delete(row.id);
    return { ...row, time: begun?.time ?? row.time };
  }

  /** What never ended. */
  rest(): Iterable<CallRow> {
    return this.#begun.values();
  }

  #begin(row: CallRow): CallRow | undefined {
    this.#begun.set(row.id, row);
    if (this.#begun.size <= mostBegun) return undefined;
    const [oldest] = this.#begun.values();
    if (oldest !== undefined) this.#begun.delete(oldest.id);
    return oldest;
  }
}

function parse(text: string): Json | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : undefined;
  } catch {
    return undefined;
  }
}

function rowOf(entry: Json): CallRow | undefined {
  const text = (name: string) => (typeof entry[name] === 'string' ? entry[name] : undefined);
  const [id, time, phase, outcome] = [text('id'), text('time'), text('phase'), text('outcome')];
  if (id === undefined || time === undefined) return undefined;
  if (phase !== 'begin' && phase !== 'end' && phase !== 'call') return undefined;
  const subject = { caller: text('caller') ?? '', tenant: text('tenant') ?? '', operation: text('operation') ?? '' };
  if (phase === 'begin') return { id, time, ...subject, outcome: 'unfinished' };
  if (outcome !== 'ok' && outcome !== 'failed' && outcome !== 'denied') return undefined;
  const [reason, provider, key] = [text('reason'), text('provider'), text('key')];
  const [keyVersion, providerRequestId] = [text('key_version'), text('provider_request_id')];
  return {
    ...{ id, time, ended: text('ended') ?? time, ...subject, outcome },
    ...(reason !== undefined && { reason }),
    ...(provider !== undefined && { provider }),
    ...(key !== undefined && { key }),
    ...(keyVersion !== undefined && { keyVersion }),
    ...(providerRequestId !== undefined && { providerRequestId }),
  };
}
