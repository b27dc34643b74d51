/** Reads JSON that came from outside, field by field, without believing anything about it. */

/** An object of JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** `value` as an object; undefined where it is anything else. */
export function objectIn(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

/** The value that a path of names and places leads to; `null` counts as absent, as it does in Kubernetes. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce(within, value);
}

/** A field of its own, not of the prototype. */
function within(value: unknown, name: string | number): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string | number, unknown>)[name] ?? undefined;
}

/** The text in a field; empty where there is none. */
export function textAt(object: unknown, ...path: readonly (string | number)[]): string {
  const value = at(object, ...path);
  return typeof value === 'string' ? value : '';
}

/** The objects of a list; empty where there is no list. What is no object is passed as an empty one, so that places stay. */
export function objectsAt(object: unknown, ...path: readonly (string | number)[]): readonly JsonObject[] {
  const value = at(object, ...path);
  return Array.isArray(value) ? value.map((item) => objectIn(item) ?? {}) : [];
}
