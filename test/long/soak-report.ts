/** What a soak has measured, in lines for whoever waits for it, and what grew. */
import type { CallRecords } from '../support/paced-load.ts';
import { type Trend, trendOf } from '../support/trend.ts';

/** What the daemon has at one moment. */
export interface Sample {
  /** Since the start. */
  readonly hours: number;
  /** Bytes of the heap in use and outside of it, garbage aside. */
  readonly held: number;
  /** Bytes of the machine's memory. */
  readonly resident: number;
  readonly descriptors: number;
}

/** How a figure went: its slope an hour, and its smallest and largest value. */
export type FigureTrend = Trend & { readonly least: number; readonly most: number };

/** The figures of a sample that may grow. */
const figures = ['held', 'resident', 'descriptors'] as const;

export type SoakTrends = Readonly<Record<(typeof figures)[number], FigureTrend>>;

/**
 * The trends of samples, of which so many that follow each other count as one, their mean: what a cache holds for a minute
 * is in all samples of that minute, and an interval of confidence wants errors that know nothing of each other. Throws
 * where that leaves fewer than three.
 */
export function trendsOf(samples: readonly Sample[], together: number): SoakTrends {
  const groups = Array.from({ length: Math.floor(samples.length / together) }, (_, index) =>
    samples.slice(index * together, (index + 1) * together),
  );
  const of = (figure: (typeof figures)[number]): FigureTrend => {
    const values = samples.map((sample) => sample[figure]);
    const trend = trendOf(groups.map((group) => ({ x: meanOf(group, 'hours'), y: meanOf(group, figure) })));
    return { ...trend, least: Math.min(...values), most: Math.max(...values) };
  };
  return { held: of('held'), resident: of('resident'), descriptors: of('descriptors') };
}

function meanOf(samples: readonly Sample[], figure: keyof Sample): number {
  return samples.reduce((sum, sample) => sum + sample[figure], 0) / samples.length;
}

/** A line for each figure. */
export function trendTable(trends: SoakTrends): string {
  const head = ['', 'slope an hour', '95 % from', 'to', 'least', 'most', 'unit'];
  const rows = figures.map((figure) => {
    const { slope, low, high, least, most } = trends[figure];
    const isBytes = figure !== 'descriptors';
    const numbers = [slope, low, high, least, most].map((value) => (isBytes ? mib(value) : value.toFixed(1)));
    return [figure, ...numbers, isBytes ? 'MiB' : ''];
  });
  return [head, ...rows].map((row) => row.map((cell) => cell.padStart(13)).join(' ')).join('\n');
}

/** How it goes. */
export function progressLine(state: {
  readonly sample: Sample;
  readonly calls: number;
  readonly surprises: number;
  /** The latest calls. */
  readonly records: CallRecords;
}): string {
  const { sample, calls, surprises, records } = state;
  const [median, slow] = [records.quantile(0.5), records.quantile(0.99)].map((ms) => ms.toFixed(1));
  return (
    `soak: minute ${(sample.hours * 60).toFixed(1)}: ${mib(sample.held)} MiB held, ${mib(sample.resident)} resident, ` +
    `${sample.descriptors} descriptors, ${calls} calls, ${surprises} unexpected, p50 ${median} ms, p99 ${slow} ms`
  );
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(3);
}
