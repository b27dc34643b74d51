import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { FlakyReporter } from './test/support/flaky-reporter.ts';

/** One project a kind of test; each file of `test/<kind>` belongs to it. */
function project(name: string, timeout: number, globalSetup: string[] = [], retry = 0) {
  return {
    test: {
      name,
      include:
        name === 'unit' ? ['test/unit/**/*.test.ts', 'test/architecture.test.ts'] : [`test/${name}/**/*.test.ts`],
      testTimeout: timeout,
      hookTimeout: timeout,
      globalSetup,
      retry,
      sequence: { shuffle: true },
    },
  };
}

/** Keys that take long to make are made once for all. */
const pairs = 'test/support/kept-pairs.ts';

export default defineConfig({
  test: {
    reporters: ['default', new FlakyReporter()],
    // A worker runs many files: a process for each would cost a third of the time.
    isolate: false,
    // Most of the time of a test goes into waiting for another process or the clock, so there are more workers than cores.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    projects: [
      project('unit', 20_000, [pairs]),
      project('contract', 30_000, [pairs]),
      project('property', 60_000, [pairs]),
      // Real daemons against real time: on a machine that stands still for a moment they get a second chance.
      project('e2e', 60_000, [pairs, 'test/support/tested-program.ts'], 2),
      project('third-party', 120_000, ['test/third-party/setup.ts']),
      // Hours, not minutes: these files measure, so `npm run test:long` runs them one after the other.
      project('long', 4 * 3_600_000, ['test/support/tested-program.ts']),
    ],
  },
});
