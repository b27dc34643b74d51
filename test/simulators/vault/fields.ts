/**
 * The fields of a request, converted as the server's framework does: numbers become text and text numbers where the
 * field wants it, unknown fields are ignored with a warning, and what cannot be converted is refused.
 *
 * Source: OpenBao `sdk/framework/field_data.go`, `sdk/framework/backend.go`.
 */
import { refusal, type VaultError } from './errors.ts';

/** `duration` is a number of seconds or text such as `1h30m`. */
export type FieldType = 'string' | 'int' | 'bool' | 'duration' | 'strings' | 'slice';

/** The fields that a path knows. */
export type Schema = Readonly<Record<string, FieldType>>;

type Raw = Readonly<Record<string, unknown>>;

const durationForm = /^(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h|d))+$/;
const unitSeconds: Readonly<Record<string, number>> = { ns: 1e-9, us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86_400 };

export class Fields {
  readonly raw: Raw;
  readonly #captures: Raw;
  readonly #schema: Schema;

  /** `captures` come from the path and win over the body. Throws for what cannot be converted. */
  constructor(raw: Raw, captures: Raw, { schema, existenceCheck }: { schema: Schema; existenceCheck: boolean }) {
    this.raw = raw;
    this.#captures = captures;
    this.#schema = { ...schema, ...Object.fromEntries(Object.keys(captures).map((name) => [name, 'string'])) };
    for (const [name, type] of Object.entries(this.#schema)) {
      if (!(name in raw) || name in captures || convert(raw[name], type) !== undefined) continue;
      throw conversionError(name, { value: raw[name], type, existenceCheck });
    }
  }

  has(name: string): boolean {
    return name in this.#captures || name in this.raw;
  }

  /** Empty text where the request has none. */
  string(name: string): string {
    const value = this.#get(name);
    return typeof value === 'string' ? value : '';
  }

  /** Zero where the request has none. */
  int(name: string): number {
    const value = this.#get(name);
    return typeof value === 'number' ? value : 0;
  }

  /** Seconds of a duration; zero where the request has none. */
  seconds(name: string): number {
    return this.int(name);
  }

  bool(name: string): boolean {
    return this.#get(name) === true;
  }

  strings(name: string): readonly string[] {
    const value = this.#get(name);
    return Array.isArray(value) ? value.map(String) : [];
  }

  /** What the framework warns of: fields that it does not know, and fields that the path has overruled. */
  warnings(): readonly string[] {
    const ignored = Object.keys(this.raw)
      .filter((name) => !(name in this.#schema))
      .sort();
    const replaced = Object.keys(this.#captures).filter((name) => name in this.raw);
    return [
      ...(ignored.length === 0 ? [] : [`Endpoint ignored these unrecognized parameters: [${ignored.join(' ')}]`]),
      ...(replaced.length === 0
        ? []
        : [
            `Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [${replaced.join(' ')}]`,
          ]),
    ];
  }

  #get(name: string): unknown {
    if (name in this.#captures) return this.#captures[name];
    return name in this.raw ? convert(this.raw[name], this.#schema[name] ?? 'string') : undefined;
  }
}

/** The value as the field wants it; undefined when it cannot be that. Null is the type's zero. */
function convert(value: unknown, type: FieldType): unknown {
  switch (type) {
    case 'string':
      return toText(value);
    case 'int':
      return toInt(value);
    case 'bool':
      return toBool(value);
    case 'duration':
      return toSeconds(value);
    case 'strings':
      return toStrings(value);
    case 'slice':
      return value ?? [];
  }
}

function toText(value: unknown): string | undefined {
  if (value === null) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  return typeof value === 'boolean' ? (value ? '1' : '0') : undefined;
}

function toInt(value: unknown): number | undefined {
  if (value === null || value === '') return 0;
  if (typeof value === 'number') return Number.isInteger(value) ? value : undefined;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'string' && /^[+-]?\d+$/.test(value) ? Number(value) : undefined;
}

function toBool(value: unknown): boolean | undefined {
  if (value === null || value === '') return false;
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return value !== 0;
  if (typeof value !== 'string') return undefined;
  if (/^(?:1|t|T|true|TRUE|True)$/.test(value)) return true;
  return /^(?:0|f|F|false|FALSE|False)$/.test(value) ? false : undefined;
}

function toSeconds(value: unknown): number | undefined {
  const plain = toInt(value);
  if (plain !== undefined) return plain < 0 ? undefined : plain;
  if (typeof value !== 'string' || !durationForm.test(value)) return undefined;
  const parts = value.matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)/g);
  return Math.floor(
    [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * (unitSeconds[unit ?? ''] ?? 0), 0),
  );
}

function toStrings(value: unknown): readonly string[] | undefined {
  if (value === null || value === '') return [];
  if (typeof value === 'string') return value.split(',').map((item) => item.trim());
  if (!Array.isArray(value)) return undefined;
  return value.every((item) => typeof item === 'string') ? value : undefined;
}

function conversionError(
  name: string,
  { value, type, existenceCheck }: { value: unknown; type: FieldType; existenceCheck: boolean },
): VaultError {
  const text = `error converting input for field "${name}": ${reason(value, type)}`;
  return refusal(existenceCheck ? text : `Field validation failed: ${text}`);
}

function reason(value: unknown, type: FieldType): string {
  if (type === 'int' && typeof value === 'string') {
    return "'' cannot parse value as 'int': strconv.ParseInt: invalid syntax";
  }
  if (type === 'bool' && typeof value === 'string') {
    return "'' cannot parse value as 'bool': strconv.ParseBool: invalid syntax";
  }
  if (type === 'duration' && typeof value === 'string') return `time: invalid duration ${JSON.stringify(value)}`;
  return `'' expected type '${type}', got unconvertible type '${goTypeOf(value)}'`;
}

/** The type that Go's JSON reader gives a value. */
export function goTypeOf(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'number') return 'json.Number';
  if (typeof value === 'boolean') return 'bool';
  return Array.isArray(value) ? '[]interface {}' : 'map[string]interface {}';
}
