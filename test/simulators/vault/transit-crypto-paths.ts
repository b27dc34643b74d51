/**
 * `encrypt`, `decrypt`, `rewrap` and `datakey`, single and in batches.
 *
 * A batch with a failed item answers 400 or 500 with the items' results, except that `rewrap` always answers 200, and
 * that associated data for a key that has none fails its item in silence. Source: OpenBao
 * `builtin/logical/transit/path_{encrypt,decrypt,rewrap,datakey}.go`.
 */
import { randomBytes } from 'node:crypto';
import { decodeBase64 } from './base64.ts';
import { failure, refusal, refusals } from './errors.ts';
import type { LogicalRequest, Reply } from './logical.ts';
import { type BatchItem, readBatch } from './transit-batch.ts';
import { decryptItem, encryptItem, ItemError } from './transit-cipher.ts';
import { isSymmetricType, type TransitKey } from './transit-key.ts';

/** What a request works on. */
export interface KeyLookup {
  /** Undefined where the mount has no such key. */
  readonly key: TransitKey | undefined;
  /** Set when the request has just made the key, or was meant to. */
  readonly warnings?: readonly string[];
}

/** The outcome of one item. `silent` failures do not change the status of a batch. */
type Outcome = { readonly ok: string } | { readonly error: string; readonly blame: 'user' | 'internal' | 'silent' };

/** `POST encrypt/:name`; `lookUp` comes after the items are read, since it may make the key. */
export async function encrypt(
  { fields }: LogicalRequest,
  lookUp: (items: readonly BatchItem[]) => KeyLookup,
): Promise<Reply> {
  const batch = readBatch(fields, 'plaintext');
  if (batch === undefined && !fields.has('plaintext')) throw refusal('missing plaintext to encrypt');
  const items = batch ?? [singleItem(fields)];
  const early = items.map((item) => unreadable(item.plaintext) ?? unreadable(item.context));
  const { key, warnings } = lookUp(items);
  if (key === undefined) throw refusals.keyNotFound();
  const outcomes = await each(items, early, (item, index) => {
    refuseAssociatedData(key, item, index);
    return encryptItem(key, item.plaintext, { ...contextOf(item), version: item.keyVersion });
  });
  const results = items.map((item, index) => encrypted(item, outcomes[index], key));
  const reply = batchReply({ batch, outcomes, results, code: partialFailureCode(fields) });
  return warnings === undefined ? reply : { ...reply, warnings };
}

/** `POST decrypt/:name`. */
export async function decrypt({ fields }: LogicalRequest, key: TransitKey | undefined): Promise<Reply> {
  const batch = readBatch(fields, 'ciphertext');
  if (batch === undefined && fields.string('ciphertext') === '') throw refusal('missing ciphertext to decrypt');
  const items = batch ?? [singleItem(fields)];
  const early = items.map((item) => missingCiphertext(item) ?? unreadable(item.context));
  if (key === undefined) throw refusals.keyNotFound();
  const outcomes = await each(items, early, (item, index) => {
    refuseAssociatedData(key, item, index);
    return decryptItem(key, item.ciphertext, contextOf(item));
  });
  const results = items.map((item, index) => {
    const outcome = outcomes[index];
    const plaintext = outcome !== undefined && 'ok' in outcome ? outcome.ok : '';
    return { plaintext, ...errorOf(outcome), ...(batch === undefined ? {} : { reference: item.reference }) };
  });
  return batchReply({ batch, outcomes, results, code: partialFailureCode(fields) });
}

/** `POST rewrap/:name`: knows no associated data, and a batch of it never fails as a whole. */
export async function rewrap({ fields }: LogicalRequest, key: TransitKey | undefined): Promise<Reply> {
  const batch = readBatch(fields, 'rewrap');
  if (batch === undefined && fields.string('ciphertext') === '') throw refusal('missing ciphertext to decrypt');
  const items = (batch ?? [singleItem(fields)]).map((item) => ({ ...item, associatedData: '' }));
  const early = items.map((item) => missingCiphertext(item) ?? unreadable(item.context));
  if (key === undefined) throw refusals.keyNotFound();
  const outcomes = await each(items, early, async (item) => {
    const plaintext = await decryptItem(key, item.ciphertext, contextOf(item));
    return encryptItem(key, plaintext, { ...contextOf(item), version: item.keyVersion });
  });
  const internal = outcomes.find((outcome) => 'blame' in outcome && outcome.blame === 'internal');
  if (internal !== undefined && 'error' in internal) throw failure(internal.error);
  const results = items.map((item, index) => encrypted(item, outcomes[index], key));
  if (batch !== undefined) return { data: { batch_results: results } };
  return batchReply({ batch, outcomes, results, code: undefined });
}

/** `POST datakey/plaintext|wrapped/:name`: knows neither batches nor associated data. */
export async function dataKey({ fields }: LogicalRequest, key: TransitKey | undefined): Promise<Reply> {
  const kind = fields.string('plaintext');
  if (kind !== 'plaintext' && kind !== 'wrapped') throw refusal("Invalid path, must be 'plaintext' or 'wrapped'");
  const context = decodeBase64(fields.string('context'));
  if ('error' in context) throw refusal('failed to base64-decode context');
  if (key === undefined) throw refusals.keyNotFound();
  const bits = fields.has('bits') ? fields.int('bits') : 256;
  if (![128, 256, 512].includes(bits)) throw refusal('invalid bit length');
  const plaintext = randomBytes(bits / 8).toString('base64');
  const version = fields.int('key_version');
  const item = { context: context.bytes, associatedData: '', version };
  const ciphertext = await encryptItem(key, plaintext, item).catch((error: unknown) => {
    if (!(error instanceof ItemError)) throw error;
    throw error.blame === 'user' ? refusal(error.message) : failure(error.message);
  });
  return {
    data: {
      ciphertext,
      key_version: version === 0 ? key.versions.length : version,
      ...(kind === 'plaintext' && { plaintext }),
    },
  };
}

function singleItem(fields: LogicalRequest['fields']): BatchItem {
  return {
    plaintext: fields.string('plaintext'),
    ciphertext: fields.string('ciphertext'),
    context: fields.string('context'),
    associatedData: fields.string('associated_data'),
    keyVersion: fields.int('key_version'),
    reference: '',
  };
}

function unreadable(base64: string): string | undefined {
  const decoded = decodeBase64(base64);
  return 'error' in decoded ? decoded.error : undefined;
}

function missingCiphertext({ ciphertext }: BatchItem): string | undefined {
  return ciphertext === '' ? 'missing ciphertext to decrypt' : undefined;
}

function contextOf({ context, associatedData }: BatchItem): { context: Buffer; associatedData: string } {
  return { context: Buffer.from(context, 'base64'), associatedData };
}

class SilentError extends Error {}

function refuseAssociatedData(key: TransitKey, { associatedData }: BatchItem, index: number): void {
  if (associatedData === '' || isSymmetricType(key.type)) return;
  throw new SilentError(`'[${index}].associated_data' provided for non-AEAD cipher suite ${key.type}`);
}

async function each(
  items: readonly BatchItem[],
  early: readonly (string | undefined)[],
  run: (item: BatchItem, index: number) => Promise<string>,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const [index, item] of items.entries()) {
    const error = early[index];
    if (error !== undefined) outcomes.push({ error, blame: 'user' });
    else outcomes.push(await outcomeOf(() => run(item, index)));
  }
  return outcomes;
}

async function outcomeOf(run: () => Promise<string>): Promise<Outcome> {
  try {
    return { ok: await run() };
  } catch (error) {
    if (error instanceof SilentError) return { error: error.message, blame: 'silent' };
    if (error instanceof ItemError) return { error: error.message, blame: error.blame };
    throw error;
  }
}

function errorOf(outcome: Outcome | undefined): { error?: string } {
  return outcome !== undefined && 'error' in outcome ? { error: outcome.error } : {};
}

function encrypted(item: BatchItem, outcome: Outcome | undefined, key: TransitKey): Readonly<Record<string, unknown>> {
  if (outcome === undefined || 'error' in outcome) return { ...errorOf(outcome), reference: item.reference };
  const key_version = item.keyVersion === 0 ? key.versions.length : item.keyVersion;
  return { ciphertext: outcome.ok, key_version, reference: item.reference };
}

/** The code that a request wants for a batch that failed in part; undefined where it names none. */
function partialFailureCode(fields: LogicalRequest['fields']): number | undefined {
  return fields.has('partial_failure_response_code') ? fields.int('partial_failure_response_code') : undefined;
}

function batchReply({
  batch,
  outcomes,
  results,
  code,
}: {
  batch: readonly BatchItem[] | undefined;
  outcomes: readonly Outcome[];
  results: readonly Readonly<Record<string, unknown>>[];
  code: number | undefined;
}): Reply {
  if (batch !== undefined) return { data: { batch_results: results }, ...statusOf(outcomes, code) };
  const only = outcomes[0];
  if (only !== undefined && 'error' in only) {
    throw only.blame === 'internal' ? failure(only.error) : refusal(only.error);
  }
  const { reference: _reference, ...data } = { reference: '', ...results[0] };
  return { data };
}

function statusOf(
  outcomes: readonly Outcome[],
  code: number | undefined,
): { status?: number; warnings?: readonly string[] } {
  const blames = outcomes.map((outcome) => ('blame' in outcome ? outcome.blame : 'none'));
  const status = blames.includes('user') ? 400 : blames.includes('internal') ? 500 : undefined;
  if (status === undefined) return {};
  if (code === undefined || !blames.includes('none')) return { status };
  if (code >= 1 && code <= 599) return { status: code };
  const text = `invalid HTTP response code override from partial_failure_response_code, reverting to ${status}`;
  return { status, warnings: [text] };
}
