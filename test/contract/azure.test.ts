import { expect, it } from 'vitest';
import { readFaults, unwrapFaults, wrapFaults } from '../../src/kms/azure/faults.ts';
import { azureFaultCases, azureSilences, coveredCodes } from './azure-faults.ts';
import { AzureWorld } from './azure-world.ts';
import { describeKeyServiceContract } from './key-service.contract.ts';

describeKeyServiceContract('Azure Key Vault', {
  start: () => AzureWorld.start(),
  kinds: [
    { name: 'RSA_2048', bindsContext: false, wrapsHere: true },
    { name: 'RSA_3072', bindsContext: false, wrapsHere: true },
    { name: 'RSA_4096', bindsContext: false, wrapsHere: true },
    { name: 'RSA_HSM_2048', bindsContext: false, wrapsHere: true },
    { name: 'OCT_HSM', bindsContext: false, wrapsDiffer: false },
  ],
  unsuitableKinds: ['EC_P256', 'EC_HSM'],
  faults: azureFaultCases,
  silences: azureSilences,
});

it('The contract on Azure goes through every code of the fault tables', () => {
  const known = new Set([unwrapFaults, wrapFaults, readFaults].flatMap((table) => Object.keys(table)));
  expect([...known].filter((code) => !coveredCodes.has(code))).toEqual([]);
  expect(known.size).toBeGreaterThan(20);
});
