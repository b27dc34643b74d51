/**
 * Shapes: what may stand in a configuration, as tables that read it, check it, fill in its defaults and describe it.
 * A shape reports everything that is wrong and goes on; it knows keys and values and no meaning.
 */
import { nearestName } from './spelling.ts';
import { emptyMap, type MapTree, type Position, type Tree, written } from './tree.ts';
import { printableName } from './yaml-tree.ts';

/** Takes what is found while a tree is read. */
export interface Report {
  problem(at: Position, path: string, message: string): void;
  /** A key that must be there is not. */
  missing(at: Position, path: string, message: string): void;
  warning(at: Position, path: string, message: string): void;
}

/** A value with the place it stands at. */
export interface Place {
  readonly tree: Tree;
  readonly at: Position;
  readonly path: string;
  readonly report: Report;
}

/** What may stand in one place. */
export interface Shape<T> {
  /** For documents: type, range and unit in a few words. */
  readonly type: string;
  /** The keys of a section, or of every item of a list of sections. */
  readonly fields?: Fields;
  readonly list?: true;
  /** The value, or undefined after at least one problem was reported. */
  read(place: Place): T | undefined;
}

/** A key of a section. */
export interface Field<T> {
  readonly shape: Shape<unknown>;
  /** For documents: what it does. */
  readonly doc: string;
  /** For documents: the value where the key is absent; undefined where it must be there. */
  readonly shown: string | undefined;
  /** The value of an absent key; undefined, after a problem, where it must be there. */
  absent(place: Place): { readonly value: T } | undefined;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;

/** What a section of these fields reads as. */
export type Values<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** A key that must be there. */
export function required<T>(shape: Shape<T>, doc: string): Field<T> {
  return {
    ...{ shape, doc, shown: undefined },
    absent: (place) => {
      place.report.missing(place.at, place.path, `is missing; it must be ${shape.type}`);
      return undefined;
    },
  };
}

/** A key that may be absent, and then has no value; `shown` tells what happens then. */
export function optional<T>(shape: Shape<T>, doc: string, shown = 'none'): Field<T | undefined> {
  return { shape, doc, shown, absent: () => ({ value: undefined }) };
}

/** A key with a default. */
export function byDefault<T>(shape: Shape<T>, value: T, doc: string, shown = String(value)): Field<T> {
  return { shape, doc, shown, absent: () => ({ value }) };
}

/** A section that may be left out when all its keys may. */
export function group<T>(shape: Shape<T>, doc: string): Field<T> {
  return {
    ...{ shape, doc, shown: 'as its keys' },
    absent(place) {
      const value = shape.read({ ...place, tree: emptyMap(place.at) });
      return value === undefined ? undefined : { value };
    },
  };
}

/** A section as its checks see it, whatever in it could not be read. */
export interface Section {
  /** Tells whether the key is written there, valid or not. */
  has(name: string): boolean;
  /** Reports at the key, or at the section where the key is absent. */
  problem(name: string, message: string): void;
  warning(name: string, message: string): void;
}

/**
 * A mapping with these keys and no others. `check` looks at keys together; it runs even where some could not be read,
 * so that all problems come at once, and those keys are then missing from its values.
 */
export function section<F extends Fields>(
  fields: F,
  check?: (values: Partial<Values<F>>, section: Section) => void,
): Shape<Values<F>> {
  return {
    type: 'a section',
    fields,
    read(place) {
      const { tree, report } = place;
      if (tree.kind !== 'map') {
        report.problem(place.at, place.path, 'must be a section with keys of its own (key: value)');
        return undefined;
      }
      nameUnknownKeys(tree, Object.keys(fields), place);
      const values: Record<string, unknown> = {};
      let whole = true;
      for (const [name, field] of Object.entries(fields)) {
        const result = readField(field, { ...place, tree }, name);
        if (result === undefined) whole = false;
        else values[name] = result.value;
      }
      // The one place where values read key by key become the type that the same table of fields describes.
      const typed = values as Values<F>;
      check?.(typed, sectionAt(tree, place));
      return whole ? typed : undefined;
    },
  };
}

function readField(
  field: Field<unknown>,
  place: Place & { tree: MapTree },
  name: string,
): { value: unknown } | undefined {
  const path = join(place.path, name);
  const found = written(place.tree, name);
  if (found === undefined) return field.absent({ ...place, path });
  if (found.value.kind === 'refused') return undefined;
  const value = field.shape.read({ tree: found.value, at: found.at, path, report: place.report });
  return value === undefined ? undefined : { value };
}

/** A list of values of one shape. */
export function list<T>(item: Shape<T>, type: string): Shape<readonly T[]> {
  return {
    type,
    ...(item.fields && { fields: item.fields, list: true }),
    read({ tree, at, path, report }) {
      if (tree.kind !== 'list') {
        report.problem(at, path, `must be ${type}`);
        return undefined;
      }
      const values = tree.items.map((entry, index) =>
        entry.kind === 'refused'
          ? undefined
          : item.read({ tree: entry, at: entry.at, path: `${path}[${index}]`, report }),
      );
      const read = values.filter((value) => value !== undefined);
      return read.length === values.length ? read : undefined;
    },
  };
}

/** A single value. `parse` gives the value, or what is wrong with it: a clause that does not repeat it. */
export function scalar<T>(
  type: string,
  parse: (value: string | number | boolean) => { value: T } | { wrong: string },
): Shape<T> {
  return {
    type,
    read({ tree, at, path, report }) {
      if (tree.kind !== 'scalar' || tree.value === null) {
        report.problem(at, path, `must be ${type}`);
        return undefined;
      }
      const result = parse(tree.value);
      if ('value' in result) return result.value;
      report.problem(at, path, result.wrong);
      return undefined;
    },
  };
}

/** A section that later versions of keyproxy have: whatever it holds, it is refused and not ignored. */
export function notYet(): Shape<never> {
  return {
    type: 'not in this version',
    read({ at, path, report }) {
      report.problem(at, path, 'is not in this version of keyproxy; remove it');
      return undefined;
    },
  };
}

function nameUnknownKeys(tree: MapTree, names: readonly string[], place: Place): void {
  for (const [name, { at }] of tree.entries) {
    if (names.includes(name)) continue;
    const free = names.filter((candidate) => !tree.entries.has(candidate));
    const near = nearestName(name, free);
    const advice = near === undefined ? `known here: ${names.join(', ')}` : `did you mean ${near}?`;
    place.report.problem(at, join(place.path, printableName(name)), `is an unknown key; ${advice}`);
  }
}

function sectionAt(tree: MapTree, place: Place): Section {
  const where = (name: string) => [tree.entries.get(name)?.at ?? place.at, join(place.path, name)] as const;
  return {
    has: (name) => written(tree, name) !== undefined,
    problem(name, message) {
      // Behind a syntax error, what seems to be absent may only be unread.
      if (tree.entries.has(name)) place.report.problem(...where(name), message);
      else place.report.missing(...where(name), message);
    },
    warning: (name, message) => place.report.warning(...where(name), message),
  };
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
