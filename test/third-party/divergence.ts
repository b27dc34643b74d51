/**
 * Where a server that nobody here wrote does not behave as the service that it stands for. Each server has a reviewed
 * list of such lines, in `<server>-divergences.ts`: what the service documents, what the server does instead, and which
 * tests of the contract can therefore not run on it. `<server>-divergences.test.ts` asserts each line, so that one that
 * the server has mended fails the suite and its skipped tests come back. What the service does is proven on the
 * simulators in `test/simulators`, which keep to every line.
 */

/** Tests of the contract that are skipped: one by name, of one kind of key or of all; or all of a kind. */
export type Skip = { readonly test: string; readonly kind?: string } | { readonly kind: string; readonly test?: never };

export interface Divergence {
  /** What the service does, with the page that says so. */
  readonly documented: string;
  /** What the server does. */
  readonly instead: string;
  /** Empty where no test of the contract meets it on the server. */
  readonly skips: readonly Skip[];
}

/** A server's list, by short names. */
export type Divergences<Name extends string = string> = Readonly<Record<Name, Divergence>>;

/** A test of the contract, and the kind of key that it is about, where it is about one. */
export interface ContractTest {
  readonly test: string;
  readonly kind: string | undefined;
}

/** The line that keeps a test of the contract from running on the server; undefined where it runs. */
export function divergenceOf(divergences: Divergences, test: ContractTest): string | undefined {
  const line = Object.entries(divergences).find(([, { skips }]) => skips.some((skip) => meets(skip, test)));
  return line?.[0];
}

/** The skips that no test of the contract meets: left from a test that has another name now, or is gone. */
export function idleSkips(divergences: Divergences, tests: readonly ContractTest[]): string[] {
  return Object.entries(divergences).flatMap(([name, { skips }]) =>
    skips
      .filter((skip) => !tests.some((test) => meets(skip, test)))
      .map((skip) => [name, skip.test, skip.kind].filter((part) => part !== undefined).join(': ')),
  );
}

function meets(skip: Skip, { test, kind }: ContractTest): boolean {
  return (skip.test ?? test) === test && (skip.kind ?? kind) === kind;
}
