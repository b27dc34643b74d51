/**
 * Filters of list requests over the fields that are strings: `state=ENABLED`, joined by AND or a blank, and by OR, which
 * binds tighter; with `!=`, `NOT` and `-` for what is not so, and `:` for parts. Everything else of the language
 * (parentheses, greater and less, times) is refused.
 *
 * Source: "Sorting and filtering list results" (https://cloud.google.com/kms/docs/sorting-and-filtering).
 */
import type { Message } from './definitions.ts';
import { ServiceError } from './status.ts';

type Test = (message: Message) => boolean;

const term = /^(NOT\s+|-)?([a-z][a-zA-Z_]*)\s*(=|!=|:)\s*("[^"]*"|[^\s"()<>=:]+)/;

/** The test that a filter stands for; an empty one lets everything through. Throws INVALID_ARGUMENT. */
export function parseFilter(filter: string): Test {
  const groups: Test[][] = [];
  let rest = filter.trim();
  let joined: 'AND' | 'OR' = 'AND';
  while (rest !== '') {
    const match = term.exec(rest);
    if (match === null) throw new ServiceError('INVALID_ARGUMENT', `Invalid filter: ${filter}`);
    const group = joined === 'OR' ? groups.at(-1) : undefined;
    if (group === undefined) groups.push([testOf(match)]);
    else group.push(testOf(match));
    const after = rest.slice(match[0].length);
    const join = /^\s+(?:(AND|OR)\s+)?/.exec(after);
    if (after !== '' && join === null) throw new ServiceError('INVALID_ARGUMENT', `Invalid filter: ${filter}`);
    joined = join?.[1] === 'OR' ? 'OR' : 'AND';
    rest = after.slice(join?.[0].length ?? 0);
  }
  return (message) => groups.every((group) => group.some((test) => test(message)));
}

function testOf([, negated, field = '', operator, quoted = '']: RegExpExecArray): Test {
  const wanted = quoted.replace(/^"|"$/g, '');
  const name = field.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const positive: Test = (message) => {
    const value = message[name];
    if (typeof value !== 'string') throw new ServiceError('INVALID_ARGUMENT', `Invalid filter: no field ${field}`);
    return operator === ':' ? value.toLowerCase().includes(wanted.toLowerCase()) : value === wanted;
  };
  const inverted = (negated !== undefined) !== (operator === '!=');
  return inverted ? (message) => !positive(message) : positive;
}
