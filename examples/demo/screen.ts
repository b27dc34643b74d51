/** What the demo prints: a line that moves while it works, and tables at the end. */
import type { Progress } from './story.ts';

/** A progress line that overwrites itself on a terminal, and one line a step where the output goes elsewhere. */
export class Screen {
  readonly #isTerminal = process.stdout.isTTY === true;
  #step = '';

  /** What it said last. */
  get current(): string {
    return this.#step;
  }

  /** Says what comes next. */
  step(what: string): void {
    if (what === this.#step) return;
    this.#step = what;
    if (this.#isTerminal) process.stdout.write(`\r\x1b[K${what} …`);
    else console.log(`${what} …`);
  }

  /** Says how far the step has come. */
  readonly progress: Progress = (what, done, all) => {
    this.step(what);
    if (this.#isTerminal && (done % 10 === 0 || done === all)) process.stdout.write(`\r\x1b[K${what} … ${done}/${all}`);
  };

  /** Takes the moving line away. */
  clear(): void {
    if (this.#isTerminal) process.stdout.write('\r\x1b[K');
  }

  /** Prints rows under a head; the first column to the left, numbers to the right. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void {
    this.clear();
    const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => [...(row[column] ?? '')].length)));
    const line = (row: readonly string[]) =>
      row
        .map((cell, column) => pad(cell, widths[column] ?? 0, column === 0))
        .join('  ')
        .trimEnd();
    console.log(`\n${line(head)}\n${line(widths.map((width) => '─'.repeat(width)))}`);
    for (const row of rows) console.log(line(row));
  }
}

function pad(text: string, width: number, left: boolean): string {
  const gap = ' '.repeat(Math.max(0, width - [...text].length));
  return left ? text + gap : gap + text;
}
