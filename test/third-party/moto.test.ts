import { awsHarness } from './aws-harness.ts';
import { describeForeignContract } from './foreign.contract.ts';
import { motoDivergences } from './moto-divergences.ts';
import { motoWorld } from './moto-world.ts';

describeForeignContract('moto', {
  harness: awsHarness,
  start: async (endpoint) => motoWorld(endpoint),
  divergences: motoDivergences,
  atLeast: 60,
});
