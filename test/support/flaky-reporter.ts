/** Tells, when all has run, which tests passed at a later attempt alone, and what their earlier ones failed with. */
import type { Reporter, TestCase } from 'vitest/node';

/** To stand beside vitest's own reporter. */
export class FlakyReporter implements Reporter {
  readonly #lines: string[] = [];

  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    if (test.diagnostic()?.flaky !== true) return;
    this.#lines.push(`passed at a later attempt: ${test.module.relativeModuleId} > ${test.fullName}`);
    for (const { message, stacks } of result.errors ?? []) {
      const [place] = stacks ?? [];
      this.#lines.push(`  ${message.split('\n')[0]}${place === undefined ? '' : `  (line ${place.line})`}`);
    }
  }

  onTestRunEnd(): void {
    if (this.#lines.length > 0) process.stdout.write(`\n${this.#lines.join('\n')}\n`);
  }
}
