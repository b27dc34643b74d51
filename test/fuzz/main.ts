/**
 * Fuzzes one parser, or one part of our HTTP/2, and adds to its corpus what shows something new:
 *
 *     npm run fuzz -- reader|decoder|connection|messages|calls
 *                    |message|wrapped-dek|pairs|protobuf|tenant-file|daemon-file|policy-file|state-files
 *         [--runs 1000000] [--minutes 10] [--seed 1] [--keep] [--uncovered]
 *
 * With `--keep` the corpus in `test/fuzz/corpus` is replaced by a small one that shows as much, and with `--uncovered`
 * the places are named that no input reaches. Prints inputs that broke a promise, as lines of a corpus, and exits with
 * 1 then; once the promise is kept they belong into `found.txt`.
 */
import { parseArgs } from 'node:util';
import { lineOf, readCorpus, readFound, writeCorpus } from './engine/corpus-file.ts';
import { Fuzzer } from './engine/fuzzer.ts';
import { Growth } from './engine/growth.ts';
import { branches, instrumentWhatIsLoaded } from './engine/instrument.ts';
import { codeOfTarget } from './targets/code.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '1000000' },
    minutes: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
    uncovered: { type: 'boolean', default: false },
  },
});
const [name = ''] = positionals;
const code = codeOfTarget[name];
if (code === undefined) throw new Error(`fuzzing: the target is one of ${Object.keys(codeOfTarget).join(', ')}`);
instrumentWhatIsLoaded(code);
const [{ targets }, { parserTargets }] = await Promise.all([
  import('./targets/all.ts'),
  import('./targets/parsers.ts'),
]);
const target = [...targets, ...parserTargets].find((each) => each.name === name);
if (target === undefined) throw new Error(`fuzzing: there is no target ${name}`);

/** Executions between two reports. */
const reportEvery = 100_000;

const runs = Number(values.runs);
const fuzzer = new Fuzzer(target, Number(values.seed));
const growth = new Growth();
const start = performance.now();
const end = start + Number(values.minutes) * 60_000;
for (const input of [...target.seeds, ...readFound(target.name), ...readCorpus(target.name)]) await fuzzer.try(input);
while (fuzzer.executions < runs && performance.now() < end) {
  await fuzzer.step();
  if (fuzzer.executions % reportEvery === 0) report();
}
if (fuzzer.executions % reportEvery !== 0) report();
if (values.uncovered) printUncovered();
if (values.keep) writeCorpus(target.name, await fuzzer.minimised());
for (const { input, error } of fuzzer.findings.values()) {
  print(`\n${error instanceof Error ? error.stack : error}\n${lineOf(input)}`);
}
process.exitCode = fuzzer.findings.size > 0 ? 1 : 0;

function report(): void {
  const seconds = (performance.now() - start) / 1000;
  const { executions, corpus, findings, slowestMs, coverage } = fuzzer;
  const { covered, all } = reach();
  print(
    [
      `${executions} executions in ${seconds.toFixed(0)} s (${(executions / seconds).toFixed(0)}/s)`,
      `${covered.size} of ${all.size} branches, ${coverage.size} marks`,
      `corpus ${corpus.length}, ${findings.size} findings, slowest ${slowestMs.toFixed(1)} ms`,
      `memory ${growth.measure()} kB`,
    ].join('; '),
  );
}

/** Branches that were met, and all of the files that have any. */
function reach(): { covered: ReadonlySet<number>; all: ReadonlySet<number> } {
  const covered = new Set(fuzzer.coverage.branches);
  const files = new Set([...covered].map((slot) => branches[slot]?.file));
  const all = new Set([...branches.keys()].filter((slot) => files.has(branches[slot]?.file)));
  return { covered, all };
}

/** The places that no input has reached. */
function printUncovered(): void {
  const { covered, all } = reach();
  const places = [...all.difference(covered)].map((slot) => `${branches[slot]?.file}:${branches[slot]?.line}`);
  print(`not reached: ${[...new Set(places)].join(' ')}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
