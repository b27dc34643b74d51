import { awsHarness } from './aws-harness.ts';
import { describeForeignContract } from './foreign.contract.ts';
import { ministackDivergences } from './ministack-divergences.ts';
import { enterMinistack } from './ministack-world.ts';

describeForeignContract('ministack', {
  harness: awsHarness,
  start: enterMinistack,
  divergences: ministackDivergences,
  atLeast: 60,
});
