/**
 * Reads `batch_input`. What is wrong with the list as a whole fails the request with 500, as the server does.
 *
 * Source: OpenBao `builtin/logical/transit/path_encrypt.go` (`decodeBatchRequestItems`).
 */
import { failure, refusal } from './errors.ts';
import { type Fields, goTypeOf } from './fields.ts';

/** One item, base64 as it came; empty text and zero for what it does not say. */
export interface BatchItem {
  readonly plaintext: string;
  readonly ciphertext: string;
  readonly context: string;
  readonly associatedData: string;
  readonly keyVersion: number;
  readonly reference: string;
}

const failed = 'failed to parse batch input';

type RawItem = Readonly<Record<string, unknown>>;

/**
 * How a list is read. `encrypt` and `decrypt` want their own text in each item and every value of the right type;
 * `rewrap` reads with another decoder, which takes numbers for text and words its complaints differently.
 */
type Reading = 'plaintext' | 'ciphertext' | 'rewrap';

/** The items; undefined where the request has no batch. Throws unless all items have a context, or none has. */
export function readBatch(fields: Fields, reading: Reading): readonly BatchItem[] | undefined {
  const raw = fields.raw['batch_input'];
  if (raw === undefined || raw === null) return undefined;
  if (!Array.isArray(raw)) throw failure(notAList(raw, reading));
  if (raw.length === 0) throw refusal('missing batch input to process');
  const problems: string[] = [];
  const items = raw.map((item, index) => {
    if (goTypeOf(item) !== 'map[string]interface {}') {
      if (reading === 'rewrap' && item === null) return readItem({}, { index, reading, problems });
      throw failure(notAMap(item, index, reading));
    }
    return readItem(item as RawItem, { index, reading, problems });
  });
  if (problems.length > 0) {
    const header = reading === 'rewrap' ? decodingFailed : '';
    throw failure(`${failed}: ${header}${problems.join('\n')}`);
  }
  if (new Set(items.map(({ context }) => context === '')).size > 1) {
    throw refusal('context should be set either in all the request blocks or in none');
  }
  return items;
}

const decodingFailed = 'decoding failed due to the following error(s):\n\n';

function notAList(raw: unknown, reading: Reading): string {
  const type = goTypeOf(raw);
  return reading === 'rewrap'
    ? `${failed}: '' source data must be an array or slice, got ${kindOf(raw)}`
    : `${failed}: source data must be an array or slice, got ${type}`;
}

function notAMap(item: unknown, index: number, reading: Reading): string {
  return reading === 'rewrap'
    ? `${failed}: ${decodingFailed}'[${index}]' expected a map or struct, got "${kindOf(item)}"`
    : `${failed}: [${index}] expected a map, got '${goTypeOf(item)}'`;
}

/** Go's kind of a JSON value, whose numbers are text inside. */
function kindOf(value: unknown): string {
  const type = goTypeOf(value);
  if (type === 'json.Number') return 'string';
  if (type === 'bool' || type === 'string') return type;
  return Array.isArray(value) ? 'slice' : 'map';
}

interface ItemReading {
  readonly index: number;
  readonly reading: Reading;
  readonly problems: string[];
}

function readItem(item: RawItem, { index, reading, problems }: ItemReading): BatchItem {
  const text = (name: string): string => {
    const value = item[name];
    if (typeof value === 'string') return value;
    if (typeof value === 'number' && reading === 'rewrap') return String(value);
    if (!(name in item)) {
      const verb = name === 'plaintext' ? 'encrypt' : 'decrypt';
      if (name === reading) problems.push(`'[${index}].${name}' missing ${name} to ${verb}`);
    } else if (value !== null || (name === 'plaintext' && reading !== 'rewrap')) {
      problems.push(`'[${index}].${name}' expected type 'string', got unconvertible type '${goTypeOf(value)}'`);
    }
    return '';
  };
  return {
    context: text('context'),
    ciphertext: text('ciphertext'),
    plaintext: text('plaintext'),
    keyVersion: readVersion(item, { index, reading, problems }),
    associatedData: text('associated_data'),
    reference: text('reference'),
  };
}

function readVersion(item: RawItem, { index, problems }: ItemReading): number {
  const value = item['key_version'];
  if (value === undefined || value === null) return 0;
  if (typeof value === 'number' && Number.isInteger(value)) return value;
  problems.push(
    typeof value === 'number'
      ? `error decoding json.Number into [${index}].key_version: strconv.ParseInt: parsing "${value}": invalid syntax`
      : `'[${index}].key_version' expected type 'int', got unconvertible type '${goTypeOf(value)}'`,
  );
  return 0;
}
