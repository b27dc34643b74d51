/** Reads the fields of a JSON 1.1 request: the wrong type is a SerializationException, the wrong value a validation. */
import { kmsError, type ServiceError } from './errors.ts';

/** A field that breaks a rule of the model, in the words of the service. */
export function constraint(field: string, rule: string): ServiceError {
  const name = field.charAt(0).toLowerCase() + field.slice(1);
  return kmsError(
    'ValidationException',
    `1 validation error detected: Value at '${name}' failed to satisfy constraint: Member must ${rule}`,
  );
}

const base64Form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** AWS bounds the context as a whole; the figure is the one of 8,192 bytes that its clients plan with. */
const longestContext = 8192;

export class RequestFields {
  readonly #fields: Readonly<Record<string, unknown>>;

  private constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields;
  }

  /** Parses a body; throws a SerializationException unless it is one JSON object. */
  static parse(body: Buffer): RequestFields {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    } catch {
      throw kmsError('SerializationException');
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw kmsError('SerializationException');
    return new RequestFields(value as Record<string, unknown>);
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined && this.#fields[name] !== null;
  }

  /** A string of 1 to `longest` characters. */
  string(name: string, longest: number): string | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#fields[name];
    if (typeof value !== 'string') throw kmsError('SerializationException');
    if (value.length === 0) throw constraint(name, 'have length greater than or equal to 1');
    if (value.length > longest) throw constraint(name, `have length less than or equal to ${longest}`);
    return value;
  }

  requiredString(name: string, longest: number): string {
    const value = this.string(name, longest);
    if (value === undefined) throw constraint(name, 'not be null');
    return value;
  }

  /** One of a list of words. */
  word<const W extends string>(name: string, words: readonly W[]): W | undefined {
    const value = this.string(name, 256);
    const word = words.find((known) => known === value);
    if (value !== undefined && word === undefined) {
      throw constraint(name, `satisfy enum value set: [${words.join(', ')}]`);
    }
    return word;
  }

  /** Base64 bytes, 1 to `longest` of them; absent is an error. */
  blob(name: string, longest: number): Buffer {
    if (!this.has(name)) throw constraint(name, 'not be null');
    const value = this.#fields[name];
    if (typeof value !== 'string' || !base64Form.test(value)) throw kmsError('SerializationException');
    const bytes = Buffer.from(value, 'base64');
    if (bytes.length === 0) throw constraint(name, 'have length greater than or equal to 1');
    if (bytes.length > longest) throw constraint(name, `have length less than or equal to ${longest}`);
    return bytes;
  }

  /** A whole number within bounds. */
  integer(name: string, bounds: { least: number; most: number }): number | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#fields[name];
    if (typeof value !== 'number' || !Number.isInteger(value)) throw kmsError('SerializationException');
    if (value < bounds.least) throw constraint(name, `have value greater than or equal to ${bounds.least}`);
    if (value > bounds.most) throw constraint(name, `have value less than or equal to ${bounds.most}`);
    return value;
  }

  flag(name: string): boolean {
    if (!this.has(name)) return false;
    const value = this.#fields[name];
    if (typeof value !== 'boolean') throw kmsError('SerializationException');
    return value;
  }

  /** An encryption context; absent is empty. */
  context(name: string): ReadonlyMap<string, string> {
    if (!this.has(name)) return new Map();
    const value = this.#fields[name];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw kmsError('SerializationException');
    const pairs = new Map<string, string>();
    for (const [key, item] of Object.entries(value as Record<string, unknown>)) {
      if (typeof item !== 'string') throw kmsError('SerializationException');
      pairs.set(key, item);
    }
    const size = Buffer.byteLength([...pairs].flat().join(''), 'utf8');
    if (size > longestContext) throw constraint(name, `have length less than or equal to ${longestContext}`);
    return pairs;
  }

  /** No grants exist here, so a grant token can only be a wrong one. */
  refuseGrantTokens(): void {
    if (!this.has('GrantTokens')) return;
    const tokens = this.#fields['GrantTokens'];
    if (!Array.isArray(tokens)) throw kmsError('SerializationException');
    if (tokens.length > 10) throw constraint('GrantTokens', 'have length less than or equal to 10');
    if (tokens.length > 0) throw kmsError('InvalidGrantTokenException', 'The grant token is not valid.');
  }
}
