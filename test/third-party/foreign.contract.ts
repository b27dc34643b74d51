/** The contract of the port, as in `test/contract`, on a server that nobody here wrote. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, type RunnerTestSuite } from 'vitest';
import { describeKeyServiceContract, type KeyServiceHarness } from '../contract/key-service.contract.ts';
import type { OpenedKey, World } from '../contract/world.ts';
import { type ContractTest, type Divergences, divergenceOf, idleSkips } from './divergence.ts';
import { type ServerName, servers } from './servers.ts';

/** What runs on one server. */
export interface Foreign<Key extends OpenedKey, W extends World<Key>> {
  readonly harness: Omit<KeyServiceHarness<Key, W>, 'start'>;
  /** Enters the server that runs at `endpoint`. */
  readonly start: (endpoint: string) => Promise<W>;
  readonly divergences: Divergences;
  /** Fewer tests than these mean that the contract was not found. */
  readonly atLeast: number;
}

const kindPattern = /^with a key of kind (?<kind>\S+)$/;

function kindOf(suite: RunnerTestSuite | undefined): string | undefined {
  return kindPattern.exec(suite?.name ?? '')?.groups?.['kind'];
}

/** All tests of a suite, in whatever depth. */
function testsOf(suite: RunnerTestSuite): ContractTest[] {
  const kind = kindOf(suite);
  return suite.tasks.flatMap((task) => (task.type === 'suite' ? testsOf(task) : [{ test: task.name, kind }]));
}

/** Runs the contract on a server, without what its divergences keep from running. Skips it all where it does not run. */
export function describeForeignContract<Key extends OpenedKey, W extends World<Key>>(
  server: ServerName,
  { harness, start, divergences, atLeast }: Foreign<Key, W>,
): void {
  const endpoint = inject('endpoints')[server];
  describe.skipIf(endpoint === undefined)(`on ${server}`, () => {
    beforeEach(({ task, skip }) => {
      const line = divergenceOf(divergences, { test: task.name, kind: kindOf(task.suite) });
      skip(line !== undefined, `${server} diverges: ${line} in test/third-party/${server}-divergences.ts`);
    });

    it('skips nothing that the contract has no more', ({ task }) => {
      const tests = task.suite === undefined ? [] : testsOf(task.suite);
      expect(idleSkips(divergences, tests)).toEqual([]);
      expect(tests.length).toBeGreaterThanOrEqual(atLeast);
    });

    describeKeyServiceContract(servers[server].provider, { ...harness, start: () => start(endpoint ?? '') });
  });
}

/** Asserts a server's list line by line: `shown` shows what it does, and rejects where that is what the service does. */
export function describeDivergences<Name extends string, W extends AsyncDisposable>(
  server: ServerName,
  divergences: Divergences<Name>,
  { start, shown }: { start: (endpoint: string) => Promise<W>; shown: Record<Name, (world: W) => Promise<void>> },
): void {
  const endpoint = inject('endpoints')[server];
  describe.skipIf(endpoint === undefined)(`${server} still diverges from ${servers[server].provider}`, () => {
    let world: W;
    beforeAll(async () => {
      world = await start(endpoint ?? '');
    });
    afterAll(() => world[Symbol.asyncDispose]());

    it.each(Object.keys(divergences) as Name[])('in %s', (name) => shown[name](world));
  });
}
