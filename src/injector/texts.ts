/**
 * What somebody else wrote, as messages repeat it: on one line, short, and few of many. A webhook for new pods is asked
 * before the API server has checked them, so a name can be of any size and have anything in it.
 */

/** Longest text that a message repeats, in characters. */
const shownLength = 40;
/** What needs no quotation marks: names and paths as they should be. */
const plain = /^[A-Za-z0-9/._-]{1,63}$/;
/** How many of a list a message names. */
const mostListed = 10;
/** The most clauses, or warnings, that are told of one pod, and the longest message, in characters. */
const mostClauses = 20;
const longestMessage = 4000;

/** A text in quotation marks. */
export function shown(text: string): string {
  return JSON.stringify(text.length > shownLength ? `${text.slice(0, shownLength)}…` : text);
}

/** A name or a path: as it is, or in quotation marks where it is not what it should be. */
export function named(text: string): string {
  return plain.test(text) ? text : shown(text);
}

/** Names between commas, the first few of them. */
export function listed(names: readonly string[]): string {
  const first = names.slice(0, mostListed).map(named).join(', ');
  return names.length <= mostListed ? first : `${first} and ${names.length - mostListed} more`;
}

/** The first few of many clauses, and how many are left out. */
export function fewOf(clauses: readonly string[]): readonly string[] {
  if (clauses.length <= mostClauses) return clauses;
  return [...clauses.slice(0, mostClauses), `and ${clauses.length - mostClauses} more`];
}

/** A message of several clauses, cut where it is too long. */
export function messageOf(beginning: string, clauses: readonly string[], end: string): string {
  return `${cut(`${beginning}${fewOf(clauses).join('; ')}`, longestMessage)}${end}`;
}

/** A text of at most `longest` characters. */
export function cut(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}
