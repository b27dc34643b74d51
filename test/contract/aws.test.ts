import { expect, it } from 'vitest';
import { decryptFaults, kmsFaults } from '../../src/kms/aws/faults.ts';
import { awsFaultCases, awsSilences, coveredCodes } from './aws-faults.ts';
import { AwsWorld } from './aws-world.ts';
import { describeKeyServiceContract } from './key-service.contract.ts';

describeKeyServiceContract('AWS KMS', {
  start: () => AwsWorld.start(),
  kinds: [
    { name: 'SYMMETRIC_DEFAULT', bindsContext: true },
    { name: 'RSA_2048', bindsContext: false },
    { name: 'RSA_3072', bindsContext: false },
    { name: 'RSA_4096', bindsContext: false },
  ],
  unsuitableKinds: ['ECC_NIST_P256', 'HMAC_256'],
  faults: awsFaultCases,
  silences: awsSilences,
});

it('The contract on AWS goes through every code of the fault table', () => {
  const known = new Set([...Object.keys(kmsFaults), ...Object.keys(decryptFaults)]);
  expect([...known].filter((code) => !coveredCodes.has(code))).toEqual([]);
  expect(known.size).toBeGreaterThan(40);
});
