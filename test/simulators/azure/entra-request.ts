/** Reads what a client sent to Entra. */
import { aadsts, type ErrorContext } from './entra-errors.ts';

/** A field that has to be there and to say something. */
export function required(fields: URLSearchParams, name: string, errors: ErrorContext): string {
  const value = fields.get(name) ?? '';
  if (value !== '') return value;
  throw aadsts(900144, `The request body must contain the following parameter: '${name}'.`, errors);
}

/** What a client sent, as far as an error may repeat it. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}
