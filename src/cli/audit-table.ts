/** Calls of the audit log on a terminal: a table whose columns are wide enough for most, or lines of JSON. */
import type { auditCalls } from '../app/audit-files.ts';
import type { Terminal } from './exit.ts';

type Calls = ReturnType<typeof auditCalls>;
type Row = (Calls extends AsyncGenerator<readonly (infer R)[], unknown> ? R : never) & object;

export interface PrintOptions {
  /** Only so many, the last ones. */
  readonly last: number | undefined;
  readonly json: boolean;
}

/** Title, width and text of each column. What a row says is a stranger's text: it is shown escaped. */
const columns: readonly (readonly [title: string, width: number, text: (row: Row) => string | undefined])[] = [
  ['TIME', 24, (row) => row.time],
  ['MS', 6, durationOf],
  ['OUTCOME', 10, (row) => row.outcome],
  ['REASON', 20, (row) => row.reason],
  ['OPERATION', 12, (row) => row.operation],
  ['TENANT', 20, (row) => row.tenant],
  ['CALLER', 20, (row) => row.caller],
  ['ID', 23, (row) => row.id],
  ['KEY', 20, (row) => row.key],
  ['PROVIDER_REQUEST_ID', 0, (row) => row.providerRequestId],
];

/** Prints calls as they come, or the last of them once all have come; returns how many lines were no entries. */
export async function printCalls(calls: Calls, terminal: Terminal, { last, json }: PrintOptions): Promise<number> {
  const print = (rows: readonly Row[]) => {
    if (rows.length > 0) terminal.out(`${rows.map(json ? jsonLine : tableLine).join('\n')}\n`);
  };
  let kept: readonly Row[] = [];
  for (let isFirst = true; ; isFirst = false) {
    const step = await calls.next();
    if (isFirst && !json) terminal.out(`${cells(columns.map(([title]) => title))}\n`);
    if (last === undefined) print(step.done ? [] : step.value);
    else if (!step.done) kept = [...kept, ...step.value].slice(-last);
    if (!step.done) continue;
    print(kept);
    return step.value.odd;
  }
}

function tableLine(row: Row): string {
  return cells(columns.map(([, , text]) => shown(text(row) ?? '-')));
}

function cells(texts: readonly string[]): string {
  return texts
    .map((text, index) => text.padEnd(columns[index]?.[1] ?? 0))
    .join('  ')
    .trimEnd();
}

/** Nothing of it moves a cursor or begins a line. */
function shown(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replace(/[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g, '�');
}

function durationOf({ time, ended }: Row): string | undefined {
  return ended === undefined ? undefined : String(Date.parse(ended) - Date.parse(time));
}

function jsonLine(row: Row): string {
  const { keyVersion, providerRequestId, ...rest } = row;
  return JSON.stringify({
    ...rest,
    ...(keyVersion !== undefined && { key_version: keyVersion }),
    ...(providerRequestId !== undefined && { provider_request_id: providerRequestId }),
  });
}
