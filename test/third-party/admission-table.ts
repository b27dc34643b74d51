/** The table of pod shapes by faults, among the last lines of a run. */
import type { RunnerTestCase } from 'vitest';

/** How many pods of all shapes became what. */
export interface Counts {
  readonly injected: number;
  readonly refused: number;
  readonly bare: number;
}

/** What a test notes of one fault, by failure policy. */
export interface AdmissionRow {
  readonly fault: string;
  readonly Fail: Counts;
  readonly Ignore: Counts;
}

declare module 'vitest' {
  interface TaskMeta {
    admission?: AdmissionRow;
  }
}

/** A line a fault; none where no test has noted one. */
export function admissionLines(tests: readonly RunnerTestCase[]): string[] {
  const rows = tests.flatMap(({ meta }) => meta.admission ?? []);
  if (rows.length === 0) return [];
  const cell = ({ injected, refused, bare }: Counts) => `${injected} · ${refused} · ${bare}`;
  const head = ['webhook', 'Fail', 'Ignore (control)'];
  const lines = [head, ...rows.map(({ fault, Fail, Ignore }) => [fault, cell(Fail), cell(Ignore)])];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const table = lines.map((line) =>
    line
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  );
  return ['third-party admission: pods injected · refused · bare, by what the webhook does', ...table];
}
