/** The kinds of single values that configuration is made of. None of them repeats a value in its complaint. */
import { list, type Shape, scalar } from './shape.ts';
import { nearestName } from './spelling.ts';

/** Text that `pattern` matches as a whole; `type` says the rule in words. */
export function text(type: string, pattern: RegExp): Shape<string> {
  return scalar(type, (value) => {
    if (typeof value !== 'string') return { wrong: `must be text: put the ${typeof value} in quotes` };
    return pattern.test(value) ? { value } : { wrong: `must be ${type}` };
  });
}

/** A whole number between two bounds, both allowed. `unit` goes into documents and messages. */
export function integer(least: number, most: number, unit = ''): Shape<number> {
  const type = `a whole number${unit === '' ? '' : ` of ${unit}`} from ${least} to ${most}`;
  return scalar(type, (value) => {
    if (typeof value !== 'number') return { wrong: `must be ${type}, without quotes or unit` };
    if (!Number.isSafeInteger(value)) return { wrong: `must be ${type}` };
    return value < least || value > most ? { wrong: `is ${value}; it must be ${type}` } : { value };
  });
}

/** `true` or `false`. YAML 1.2 reads `yes` and `on` as text. */
export const flag: Shape<boolean> = scalar('true or false', (value) =>
  typeof value === 'boolean' ? { value } : { wrong: 'must be true or false, without quotes' },
);

/** One of a few words. */
export function choice<const T extends string>(words: readonly T[]): Shape<T> {
  const type = words.length === 1 ? `${words[0]}` : `one of ${words.join(', ')}`;
  return scalar(type, (value) => {
    const found = words.find((word) => word === value);
    if (found !== undefined) return { value: found };
    const near = nearestName(String(value), words);
    return { wrong: near === undefined ? `must be ${type}` : `must be ${type}; did you mean ${near}?` };
  });
}

/** One value, or a list of them. */
export function oneOrMore<T>(item: Shape<T>): Shape<readonly T[]> {
  const many = list(item, `a list, each ${item.type}`);
  return {
    type: `${item.type}; or a list of them`,
    read(place) {
      if (place.tree.kind === 'list') {
        if (place.tree.items.length > 0) return many.read(place);
        place.report.problem(place.at, place.path, `is empty; it must be ${item.type}, or a list of them`);
        return undefined;
      }
      const value = item.read(place);
      return value === undefined ? undefined : [value];
    },
  };
}

const units: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
]);

/** A number of bytes, plain or with the unit KiB, MiB or GiB (`64MiB`), between two bounds. */
export function size(least: number, most: number): Shape<number> {
  const type = `a size from ${formatSize(least)} to ${formatSize(most)} (64MiB, or a plain number of bytes)`;
  return scalar(type, (value) => {
    const match = /^(\d{1,15})\s?([a-z]*)$/i.exec(String(value));
    const unit = units.get((match?.[2] ?? '').toLowerCase());
    const bytes = Number(match?.[1] ?? Number.NaN) * (unit ?? Number.NaN);
    return bytes >= least && bytes <= most ? { value: bytes } : { wrong: `must be ${type}` };
  });
}

/** Bytes in the largest unit that divides them: 67108864 is `64MiB`. */
export function formatSize(bytes: number): string {
  for (const [suffix, name] of [
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ] as const) {
    if (bytes % suffix === 0) return `${bytes / suffix}${name}`;
  }
  return String(bytes);
}

/** A path: any text without control characters. Relative ones are taken from the folder of the file that names them. */
export const path: Shape<string> = text('a path', /^[^\p{Cc}]{1,4096}$/u);

/** The permissions of a file, as octal digits in quotes. */
export const mode: Shape<number> = scalar('three octal digits in quotes ("0660")', (value) => {
  // Without quotes YAML 1.2 reads 0660 as six hundred and sixty.
  if (typeof value !== 'string')
    return { wrong: 'must stand in quotes ("0660"), or YAML reads it as a decimal number' };
  return /^0?[0-7]{3}$/.test(value)
    ? { value: Number.parseInt(value, 8) }
    : { wrong: 'must be three octal digits in quotes ("0660")' };
});
