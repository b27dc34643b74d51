/**
 * Coverage-guided fuzzing: inputs that show something new are kept, and new ones are made from those. The same seed,
 * corpus and code try the same inputs, but for those that take so long that they are chosen less often.
 */
import { Coverage } from './coverage.ts';
import { Dice } from './dice.ts';
import type { Target } from './target.ts';

/** What an execution may take, in milliseconds. One that takes longer is tried again, lest memory was collected. */
const longestMs = 200;
/** Inputs that take longer than this are chosen less often, in milliseconds. */
const slowMs = 0.5;
/** Inputs that take longer than this are not kept for tests, in milliseconds. */
const keptMs = 10;

interface Entry {
  readonly input: Buffer;
  readonly ms: number;
}

/** An input that broke a promise, and how. */
export interface Finding {
  readonly input: Buffer;
  readonly error: unknown;
}

export class Fuzzer {
  readonly coverage = new Coverage({ isCoarse: false });
  readonly findings = new Map<string, Finding>();
  readonly #target: Target;
  readonly #dice: Dice;
  readonly #entries: Entry[] = [];
  executions = 0;
  slowestMs = 0;

  constructor(target: Target, seed: number) {
    this.#target = target;
    Error.stackTraceLimit = 0;
    // What ran when the code was loaded.
    this.coverage.takeNew();
    this.#dice = new Dice(seed);
  }

  get corpus(): readonly Buffer[] {
    return this.#entries.map(({ input }) => input);
  }

  /** Runs an input, and keeps it if it shows something new and breaks no promise. */
  async try(input: Buffer): Promise<void> {
    this.coverage.begin();
    const ms = await this.#run(input);
    if (ms !== undefined && this.coverage.takeNew()) this.#entries.push({ input, ms });
  }

  /** Tries a new input. */
  async step(): Promise<void> {
    const input = this.#target.mutate(this.#choose(), this.#dice, this.#choose());
    await this.try(input.length > this.#target.maxSize ? input.subarray(0, this.#target.maxSize) : input);
  }

  /** The smallest inputs that show all that was met, however often it was; none that is slow. */
  async minimised(): Promise<Buffer[]> {
    const coverage = new Coverage({ isCoarse: true });
    const kept: Buffer[] = [];
    const quick = this.#entries.filter(({ ms }) => ms < keptMs).map(({ input }) => input);
    for (const input of quick.toSorted((a, b) => a.length - b.length)) {
      coverage.begin();
      await this.#target.run(input);
      if (coverage.takeNew()) kept.push(input);
    }
    return kept;
  }

  /** The time that an input took, in milliseconds; undefined where it broke a promise. */
  async #run(input: Buffer): Promise<number | undefined> {
    this.executions++;
    try {
      let ms = await this.#time(input);
      if (ms > longestMs) ms = Math.min(ms, await this.#time(input));
      if (ms > longestMs) throw new Error('the execution takes too long');
      this.slowestMs = Math.max(this.slowestMs, ms);
      return ms;
    } catch (error) {
      this.#found(input, (await this.#look(input)) ?? error);
      return undefined;
    }
  }

  /** The error of an input, this time with where it came from: traces of calls are off otherwise, they take time. */
  async #look(input: Buffer): Promise<unknown> {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 30;
    try {
      await this.#target.run(input);
      return undefined;
    } catch (error) {
      return error;
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  }

  /** The time of the processor, which others do not take away, in milliseconds. */
  async #time(input: Buffer): Promise<number> {
    const start = process.threadCpuUsage().user;
    const running = this.#target.run(input);
    if (running !== undefined) await running;
    return (process.threadCpuUsage().user - start) / 1000;
  }

  /** Keeps the shortest input for each way to fail. */
  #found(input: Buffer, error: unknown): void {
    const key = error instanceof Error ? error.message.replaceAll(/\d+/g, 'N') : String(error);
    const known = this.findings.get(key);
    if (known === undefined || known.input.length > input.length) this.findings.set(key, { input, error });
  }

  #choose(): Buffer {
    const { length } = this.#entries;
    // The newest are tried more often than the others: nobody knows yet where they lead.
    const index = this.#dice.once(3) ? length - 1 - this.#dice.small(Math.min(length, 64)) : this.#dice.below(length);
    const entry = this.#entries[index];
    if (entry === undefined) return Buffer.alloc(0);
    if (entry.ms > slowMs && !this.#dice.once((entry.ms / slowMs) ** 2)) return this.#choose();
    return entry.input;
  }
}
