/**
 * `npm run bench`: keyproxy beside a bare grpc-js server, side by side in one run, as ratios; and the calls that it makes
 * to key services beside the least that would do. Its own transport stands beside those of others under h2load.
 *
 *     --only NAME     throughput, start, memory, calls, transport, access or tracing
 *     --seconds N     length of each window under load (default 3)
 *     --rounds N      windows of each server and method (default 5), starts and memory readings included
 *     --json          the figures as JSON on standard output
 *     --check         exit code 1 where a target is missed
 *
 * The servers are built bundles; `npm run bench` builds keyproxy's before. A machine that does other work at the same
 * time disturbs both servers alike, and shows in how busy their core was. Calls are counted on a simulated day: a target
 * that is missed there is missed everywhere, so the exit code is 1 without `--check` too.
 */
import { parseArgs } from 'node:util';
import { accessContest } from './access.ts';
import { type CallsResult, callsTable, callsVerdicts, measureCalls } from './calls-of-a-day.ts';
import { type ContestResult, measureContest } from './contest.ts';
import { type FootprintResult, measureMemory, measureStart } from './footprint.ts';
import { hasH2load } from './h2load.ts';
import { canPin } from './machine.ts';
import {
  contestTable,
  contestVerdicts,
  footprintTable,
  footprintVerdicts,
  throughputTable,
  throughputVerdicts,
  type Verdict,
} from './report.ts';
import { buildFloor, ownFolder } from './server-process.ts';
import { measureThroughput, type ThroughputResult } from './throughput.ts';
import { tracingContest } from './tracing.ts';
import { measureTransport } from './transport.ts';

interface Section {
  readonly results: readonly (ThroughputResult | FootprintResult | CallsResult | ContestResult)[];
  readonly table: string;
  readonly verdicts: readonly Verdict[];
  /** Whether the figures are the same on every machine. */
  readonly isExact?: boolean;
}

interface Options {
  readonly seconds: number;
  readonly rounds: number;
}

/** Fewest starts that a median is taken of. */
const leastStarts = 10;

const sections: Readonly<Record<string, (options: Options) => Promise<Section>>> = {
  async throughput(options) {
    const results = await measureThroughput(options);
    return { results, table: throughputTable(results), verdicts: throughputVerdicts(results) };
  },
  async start({ rounds }) {
    const results = await measureStart(Math.max(rounds, leastStarts));
    return { results, table: footprintTable(results), verdicts: footprintVerdicts(results) };
  },
  async memory({ rounds }) {
    const results = await measureMemory(rounds);
    return { results, table: footprintTable(results), verdicts: footprintVerdicts(results) };
  },
  async calls() {
    const results = await measureCalls();
    return { results, table: callsTable(results), verdicts: callsVerdicts(results), isExact: true };
  },
  transport: (options) => contests('transport', () => measureTransport(options)),
  access: (options) =>
    contests('access', async () => {
      await using folder = await ownFolder();
      return [await measureContest(await accessContest(folder.path), options)];
    }),
  tracing: (options) =>
    contests('tracing', async () => {
      await using folder = await ownFolder();
      return [await measureContest(await tracingContest(folder.path), options)];
    }),
};

/** What is measured under h2load. */
async function contests(name: string, measure: () => Promise<ContestResult[]>): Promise<Section> {
  if (!(await hasH2load())) {
    const why = 'h2load is not installed (Debian: nghttp2-client)';
    return { results: [], table: `${name}: ${why}`, verdicts: [{ name, isMet: false, why }] };
  }
  const results = await measure();
  return { results, table: contestTable(results), verdicts: contestVerdicts(results) };
}

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
});

function positive(text: string, flag: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new RangeError(`${flag} needs a number above 0`);
  return number;
}

const options: Options = {
  seconds: positive(values.seconds, '--seconds'),
  rounds: Math.ceil(positive(values.rounds, '--rounds')),
};
const chosen = Object.entries(sections).filter(([name]) => values.only === undefined || values.only === name);
if (chosen.length === 0) throw new RangeError(`--only knows ${Object.keys(sections).join(', ')}`);

if (chosen.some(([name]) => !['calls', 'transport', 'access', 'tracing'].includes(name))) await buildFloor();
const verdicts: Verdict[] = [];
const figures: Record<string, Section['results']> = {};
if (!canPin) console.error('servers and clients share their processors here: the ratios of throughput mean little');
for (const [name, measure] of chosen) {
  const section = await measure(options);
  figures[name] = section.results;
  verdicts.push(...section.verdicts);
  if (section.isExact && section.verdicts.some(({ isMet }) => !isMet)) process.exitCode = 1;
  if (!values.json) console.log(`\n${section.table}`);
}
if (values.json) console.log(JSON.stringify({ figures, verdicts }, undefined, 2));
else {
  console.log('');
  for (const { name, isMet, why } of verdicts) console.log(`${isMet ? 'PASS' : 'MISS'}  ${name}${why && `: ${why}`}`);
}
if (values.check && verdicts.some(({ isMet }) => !isMet)) process.exitCode = 1;
