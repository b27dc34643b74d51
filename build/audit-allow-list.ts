/** Weaknesses that somebody has looked at and accepts for a time: `audit-allow-list.json`. */

/** One row; all of it is required. */
export interface Accepted {
  /** As the audit names it, `GHSA-…`. */
  readonly advisory: string;
  readonly package: string;
  /** Why it does no harm here. */
  readonly reason: string;
  /** Days, `2026-01-31`. */
  readonly reviewed: string;
  /** The last day on which it counts. */
  readonly expires: string;
}

/** The list, and what is wrong with it, a sentence each. */
export interface AllowList {
  readonly accepted: readonly Accepted[];
  readonly problems: readonly string[];
}

/** The longest time between two looks at a weakness. */
const longestDays = 180;
const dayMs = 86_400_000;
const keys = ['advisory', 'package', 'reason', 'reviewed', 'expires'] as const;

/** Reads the list on a given day. Rows with a problem are not in `accepted`. */
export function readAllowList(text: string, today: Date): AllowList {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch {
    rows = undefined;
  }
  if (!Array.isArray(rows)) return { accepted: [], problems: ['the allow list is no JSON array of rows'] };
  const read = rows.map((row: unknown, index) => readRow(row, { place: `row ${index + 1}`, today }));
  return {
    accepted: read.flatMap((one) => (typeof one === 'string' ? [] : [one])),
    problems: read.filter((one) => typeof one === 'string'),
  };
}

interface Reading {
  readonly place: string;
  readonly today: Date;
}

function readRow(row: unknown, { place, today }: Reading): Accepted | string {
  if (typeof row !== 'object' || row === null) return `${place} of the allow list is no object`;
  const values: Partial<Record<string, unknown>> = { ...row };
  const { advisory, package: name, reason, reviewed, expires } = values;
  const right = keys.every((key) => typeof values[key] === 'string' && values[key] !== '');
  if (!right || Object.keys(values).length !== keys.length) {
    return `${place} of the allow list must have ${keys.join(', ')}, each a text, and nothing else`;
  }
  const accepted = { advisory, package: name, reason, reviewed, expires } as Accepted;
  const problem = problemOfDates(accepted, today);
  return problem === undefined ? accepted : `${place} of the allow list (${accepted.advisory}) ${problem}`;
}

function problemOfDates({ reviewed, expires }: Accepted, today: Date): string | undefined {
  const [from, to] = [dayOf(reviewed), dayOf(expires)];
  if (from === undefined || to === undefined) return 'has a day that is not of the form 2026-01-31';
  if (from > today.getTime()) return 'was reviewed on a day that has not come';
  if (to < from || to - from > longestDays * dayMs) return `must expire within ${longestDays} days of its review`;
  if (to + dayMs <= today.getTime()) return `expired on ${expires}; review it again, or update the package`;
  return undefined;
}

/** Its begin in UTC, in milliseconds since 1970; undefined where there is no such day. */
function dayOf(text: string): number | undefined {
  const time = Date.parse(`${text}T00:00:00Z`);
  return Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== text ? undefined : time;
}
