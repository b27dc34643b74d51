/** The contract of the port, as in `test/contract`, against an emulation of AWS that nobody here wrote. */
import { beforeEach, describe, expect, inject, it, type RunnerTestSuite } from 'vitest';
import { describeKeyServiceContract } from '../contract/key-service.contract.ts';
import { type Divergence, divergenceOf, motoDivergences } from './divergences.ts';
import { MotoWorld } from './moto-world.ts';

const endpoint = inject('motoEndpoint');
const kindPattern = /^with a key of kind (?<kind>\w+)$/;

/** All tests of a suite, in whatever depth, with the kind of key that they are about. */
function testsOf(suite: RunnerTestSuite): { test: string; kind: string | undefined }[] {
  const kind = kindOf(suite);
  return suite.tasks.flatMap((task) => (task.type === 'suite' ? testsOf(task) : [{ test: task.name, kind }]));
}

function kindOf(suite: RunnerTestSuite | undefined): string | undefined {
  return kindPattern.exec(suite?.name ?? '')?.groups?.['kind'];
}

describe.skipIf(endpoint === undefined)('on moto', () => {
  beforeEach(({ task, skip }) => {
    const line = divergenceOf(task.name, kindOf(task.suite));
    skip(line !== undefined, `moto diverges: ${line} in test/third-party/divergences.ts`);
  });

  it('skips nothing that the contract has no more', ({ task }) => {
    const tests = task.suite === undefined ? [] : testsOf(task.suite);
    const idle = Object.entries<Divergence>(motoDivergences).flatMap(([name, { skips }]) =>
      skips
        .filter((skip) => !tests.some(({ test, kind }) => (skip.test ?? test) === test && (skip.kind ?? kind) === kind))
        .map((skip) => `${name}: ${skip.test ?? skip.kind}`),
    );
    expect(idle).toEqual([]);
    expect(tests.length).toBeGreaterThan(50);
  });

  describeKeyServiceContract('AWS KMS', {
    start: async () => new MotoWorld(endpoint ?? ''),
    kinds: [
      { name: 'SYMMETRIC_DEFAULT', bindsContext: true },
      { name: 'RSA_2048', bindsContext: false },
      { name: 'RSA_3072', bindsContext: false },
      { name: 'RSA_4096', bindsContext: false },
    ],
    unsuitableKinds: ['ECC_NIST_P256', 'HMAC_256'],
    faults: [
      {
        name: 'a key that does not exist',
        open: async (world) => world.openMissingKey(),
        arrange: () => undefined,
        expected: { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' },
      },
    ],
  });
});
