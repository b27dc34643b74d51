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

/** The items; undefined where the request has no batch. Throws unless all items have a context, or none has. */
export function readBatch(fields: Fields, required?: 'plaintext' | 'ciphertext'): readonly BatchItem[] | undefined {
  const raw = fields.raw['batch_input'];
  if (raw === undefined || raw === null) return undefined;
  if (!Array.isArray(raw)) throw failure(`${failed}: source data must be an array or slice, got ${goTypeOf(raw)}`);
  if (raw.length === 0) throw refusal('missing batch input to process');
  const problems: string[] = [];
  const items = raw.map((item, index) => {
    if (goTypeOf(item) !== 'map[string]interface {}') {
      throw failure(`${failed}: [${index}] expected a map, got '${goTypeOf(item)}'`);
    }
    return readItem(item as RawItem, { index, required, problems });
  });
  if (problems.length > 0) throw failure(`${failed}: ${decodingErrors(problems)}`);
  if (new Set(items.map(({ context }) => context === '')).size > 1) {
    throw refusal('context should be set either in all the request blocks or in none');
  }
  return items;
}

function readItem(
  item: RawItem,
  { index, required, problems }: { index: number; required: string | undefined; problems: string[] },
): BatchItem {
  const text = (name: string): string => {
    const value = item[name];
    if (typeof value === 'string') return value;
    if (!(name in item)) {
      const verb = name === 'plaintext' ? 'encrypt' : 'decrypt';
      if (name === required) problems.push(`'[${index}].${name}' missing ${name} to ${verb}`);
    } else if (value !== null || name === 'plaintext') {
      problems.push(`'[${index}].${name}' expected type 'string', got unconvertible type '${goTypeOf(value)}'`);
    }
    return '';
  };
  return {
    context: text('context'),
    ciphertext: text('ciphertext'),
    plaintext: text('plaintext'),
    keyVersion: readVersion(item, { index, problems }),
    associatedData: text('associated_data'),
    reference: text('reference'),
  };
}

function readVersion(item: RawItem, { index, problems }: { index: number; problems: string[] }): number {
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

function decodingErrors(problems: readonly string[]): string {
  const sorted = problems.map((problem) => `* ${problem}`).sort();
  return `${problems.length} error(s) decoding:\n\n${sorted.join('\n')}`;
}
