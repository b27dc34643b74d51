/** What becomes of spans, and whether the collector takes them: counts, and a line of the log when that changes. */
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

/** Told by whoever sends spans. */
export function spanEvents(metrics: Metrics, log: Log) {
  for (const outcome of ['sent', 'queue_full', 'failed']) metrics.traceSpans.inc({ outcome }, 0);
  return {
    counted: (outcome: string, spans: number): void => metrics.traceSpans.inc({ outcome }, spans),
    onChange(state: 'failing' | 'working', why?: string): void {
      if (state === 'failing') log.warn({ fault: why }, 'traces cannot be sent, the collector does not take them');
      else log.info('traces can be sent again');
    },
  };
}
