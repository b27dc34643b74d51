/** Reading JSON that an earlier process wrote: what is not as it should be is never guessed at. */
import { type EncryptedDataKey, parseEntries, serializeEntries } from '../base/encrypted-data-key.ts';
import { EncryptionContext } from '../base/encryption-context.ts';

type Json = Readonly<Record<string, unknown>>;

/** A wrapped key as it is written down: nothing in it is secret, but its context can be read. */
export interface KeptForms {
  /** Base64 of the entries as the message format serialises them. */
  readonly entries: string;
  /** Base64 of the serialised context. */
  readonly context: string;
}

/** The rows of a file of ours, without what is none; undefined where it is not such a file. */
export function rowsOf(text: string, version: number): Json[] | undefined {
  return valuesOf(text, version)?.filter(isRecord);
}

/** The rows of a file that is of no use unless all of it is there; undefined where it is not. */
export function allRowsOf(text: string, version: number): Json[] | undefined {
  const values = valuesOf(text, version);
  return values?.every(isRecord) ? values : undefined;
}

function valuesOf(text: string, version: number): unknown[] | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    if (!isRecord(parsed) || parsed['version'] !== version || !Array.isArray(parsed['rows'])) return undefined;
    return parsed['rows'];
  } catch {
    return undefined;
  }
}

/** The text of such a file. */
export function textOf(rows: readonly object[], version: number): string {
  return `${JSON.stringify({ version, rows })}\n`;
}

/** Wrapped forms for a file. */
export function keptForms(entries: readonly EncryptedDataKey[], context: EncryptionContext): KeptForms {
  return { entries: serializeEntries(entries).toString('base64'), context: context.serialized.toString('base64') };
}

/** Wrapped forms out of a file; undefined where they are none. */
export function formsOf(
  row: Json,
): { entries: readonly EncryptedDataKey[]; entriesBytes: Buffer; context: EncryptionContext } | undefined {
  const { entries, context } = row;
  if (typeof entries !== 'string' || typeof context !== 'string') return undefined;
  const entriesBytes = Buffer.from(entries, 'base64');
  const parsed = allEntries(entriesBytes);
  const readContext = EncryptionContext.parse(Buffer.from(context, 'base64'));
  if (parsed.length === 0 || readContext === undefined) return undefined;
  return { entries: parsed, entriesBytes, context: readContext };
}

/** None where the bytes are not entries to their end. */
function allEntries(bytes: Buffer): EncryptedDataKey[] {
  const entries: EncryptedDataKey[] = [];
  for (let at = 0; at < bytes.length; ) {
    const next = parseEntries(bytes, at, 1);
    if (next === undefined) return [];
    entries.push(...next.entries);
    at = next.end;
  }
  return entries;
}

/** Whether a value of JSON is an object. */
export function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
