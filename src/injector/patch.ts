/** A JSON patch (RFC 6902) that only ever adds, and makes the list or the section that it adds to where there is none. */
import { at } from './json.ts';

/** One step. */
export interface Addition {
  readonly op: 'add';
  readonly path: string;
  readonly value: unknown;
}

/** Where something is added: the names and numbers on the way to a list or a section. */
type Path = readonly (string | number)[];

/** Adds `items` to the list at `path` of `pod`, before all others or behind them. */
export function addToList(
  pod: unknown,
  path: Path,
  { items, place }: { readonly items: readonly unknown[]; readonly place: 'first' | 'last' },
): Addition[] {
  if (items.length === 0) return [];
  const list = at(pod, ...path);
  if (!Array.isArray(list)) return [{ op: 'add', path: pointer(path), value: items }];
  const ordered = place === 'first' ? items.toReversed() : items;
  return ordered.map((value) => ({ op: 'add', path: pointer([...path, place === 'first' ? 0 : '-']), value }));
}

/** Sets keys of the section at `path` of `pod`. */
export function setKeys(pod: unknown, path: Path, values: Readonly<Record<string, unknown>>): Addition[] {
  const entries = Object.entries(values);
  if (entries.length === 0) return [];
  if (at(pod, ...path) === undefined) return [{ op: 'add', path: pointer(path), value: values }];
  return entries.map(([name, value]) => ({ op: 'add', path: pointer([...path, name]), value }));
}

/** RFC 6901, section 3. */
function pointer(path: Path): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
