/** What becomes of the policy's file while the daemon runs. */
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

/** One thing that is wrong with it. */
interface Problem {
  readonly file: string;
  readonly line: number;
}

/** Told of a policy that is in force now, and of one that cannot be used; `describe` puts a problem into words. */
export function policyEvents<P extends Problem>(metrics: Metrics, log: Log, describe: (problem: P) => string) {
  return {
    changed(): void {
      metrics.configReloads.inc({ outcome: 'ok' });
      metrics.configFilesBad.set({ kind: 'policy' }, 0);
      log.info('the policy was reloaded');
    },
    unusable(problems: readonly P[]): void {
      metrics.configReloads.inc({ outcome: 'bad' });
      metrics.configFilesBad.set({ kind: 'policy' }, 1);
      for (const problem of problems) {
        const { file, line } = problem;
        log.error({ file, line, problem: describe(problem) }, 'the policy file was not taken, the last good one stays');
      }
    },
  };
}
