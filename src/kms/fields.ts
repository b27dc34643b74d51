/** Looks into values of unknown form: what a service sent, or somebody in its place, and what a library threw. */

/** A JSON object whose fields nobody has looked at. */
export type Fields = Readonly<Record<string, unknown>>;

/** The fields of an object; of anything else, none. */
export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

/** The strings of an array of strings; of anything else, none. */
export function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}
