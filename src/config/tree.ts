/**
 * A configuration as it was written, with a position for every key: what YAML and environment variables have in
 * common. It knows no YAML and no schema.
 */

/** Where something was written: in the file, counted from 1, or in an environment variable. */
export type Position = { readonly line: number; readonly column: number } | { readonly variable: string };

export interface ScalarTree {
  readonly kind: 'scalar';
  readonly at: Position;
  /** `null` where the key stands without a value. */
  readonly value: string | number | boolean | null;
}

export interface ListTree {
  readonly kind: 'list';
  readonly at: Position;
  readonly items: Tree[];
}

export interface MapTree {
  readonly kind: 'map';
  readonly at: Position;
  readonly entries: Map<string, Entry>;
}

/** A key with its value. */
export interface Entry {
  /** Where the key stands; problems are reported here, so that a section's are found at its name. */
  readonly at: Position;
  readonly value: Tree;
}

/** Something that is not read, about which a problem was reported already. */
export interface RefusedTree {
  readonly kind: 'refused';
  readonly at: Position;
}

export type Tree = ScalarTree | ListTree | MapTree | RefusedTree;

/** A section in which nothing is written. */
export function emptyMap(at: Position): MapTree {
  return { kind: 'map', at, entries: new Map() };
}

/** What stands under `name`, or undefined where the key is absent or without a value. */
export function written(map: MapTree, name: string): Entry | undefined {
  const entry = map.entries.get(name);
  return entry?.value.kind === 'scalar' && entry.value.value === null ? undefined : entry;
}
