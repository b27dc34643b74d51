/**
 * What is wrong with a configuration, all of it at once. A problem says where, what, and what would be right; it
 * never repeats free text of the file, because that may be a secret that was put in the wrong place.
 */

/** One thing that somebody has to change. */
export interface ConfigProblem {
  /** The file as it was named to keyproxy, or `environment` for an environment variable. */
  readonly file: string;
  /** Counted from 1; 0 where the problem belongs to no line (a file that cannot be read, a variable). */
  readonly line: number;
  /** Counted from 1, in UTF-16 units, where a line is known. */
  readonly column?: number;
  /** The key (`encryption.cache_config.ttl_seconds`) or the variable; empty for the whole file. */
  readonly path: string;
  /** State and remedy, in one clause without a period. */
  readonly message: string;
}

/** What a parser of configuration hands back: `config` is there exactly when `problems` is empty. */
export interface Parsed<T> {
  readonly config?: T;
  readonly problems: readonly ConfigProblem[];
  /** What works, but not as its author may think; never a reason to refuse. */
  readonly warnings: readonly ConfigProblem[];
}

/** Gathers problems and warnings while one configuration is read. */
export class ProblemCollector {
  readonly #problems: ConfigProblem[] = [];
  readonly #warnings: ConfigProblem[] = [];

  problem(problem: ConfigProblem): void {
    this.#problems.push(problem);
  }

  warning(warning: ConfigProblem): void {
    this.#warnings.push(warning);
  }

  /** What was found, in the order of the file, with `config` where nothing stands against it. */
  result<T>(config: T | undefined): Parsed<T> {
    const problems = inFileOrder(this.#problems);
    const warnings = inFileOrder(this.#warnings);
    return config === undefined || problems.length > 0 ? { problems, warnings } : { config, problems, warnings };
  }
}

/** A configuration that cannot be used, with everything that is wrong with it. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    super(`the configuration cannot be used, ${count}:\n${describeProblems(problems)}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** The one printed form: `file:line: path: message`; what does not apply is left out. */
export function describeProblem(problem: ConfigProblem): string {
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}`;
  return [place, problem.path, problem.message].filter((part) => part !== '').join(': ');
}

/** All problems, one a line, by file and line; empty for none. */
export function describeProblems(problems: readonly ConfigProblem[]): string {
  return inFileOrder(problems).map(describeProblem).join('\n');
}

function inFileOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return problems.toSorted(
    (a, b) =>
      compare(a.file, b.file) || a.line - b.line || (a.column ?? 0) - (b.column ?? 0) || compare(a.path, b.path),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
