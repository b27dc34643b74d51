/** Counts what held and what did not. A line that was promised and never reached counts as not held. */

interface Line {
  readonly what: string;
  readonly due: number;
  held: number;
  failed: number;
  /** What went wrong first. */
  firstFailure?: string;
}

export class Tally {
  readonly #lines: Line[] = [];

  /** Promises that `what` will hold `due` times. The returned function counts one time; a reason says it did not. */
  promise(what: string, due: number): (failure?: string) => void {
    const line: Line = { what, due, held: 0, failed: 0 };
    this.#lines.push(line);
    return (failure) => {
      if (failure === undefined) line.held += 1;
      else {
        line.failed += 1;
        line.firstFailure ??= failure;
      }
    };
  }

  /** Whether there was a promise, and every one was kept in full. */
  get holds(): boolean {
    return this.#lines.length > 0 && this.#lines.every(isKept);
  }

  /** One row a promise. */
  rows(): string[][] {
    return this.#lines.map((line) => [line.what, String(line.held), isKept(line) ? '✓' : `✗ of ${line.due}`]);
  }

  /** One sentence for each promise that was not kept. */
  failures(): string[] {
    return this.#lines
      .filter((line) => !isKept(line))
      .map(
        ({ what, due, held, firstFailure }) => `${what}: ${held} of ${due}${firstFailure ? `; ${firstFailure}` : ''}`,
      );
  }
}

function isKept({ due, held, failed }: Line): boolean {
  return held === due && failed === 0;
}
