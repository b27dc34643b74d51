/** What the contract knows of AWS, wherever it runs. */
import type { KeyServiceHarness } from '../contract/key-service.contract.ts';
import type { ForeignAwsKey, ForeignAwsWorld } from './aws-world.ts';

/** Kinds by AWS's names for them; and the one fault that no server has to be told to make. */
export const awsHarness: Omit<KeyServiceHarness<ForeignAwsKey, ForeignAwsWorld>, 'start'> = {
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
};
