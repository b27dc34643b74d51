import { expect, it } from 'vitest';
import {
  codeFaults,
  decryptFaults,
  ekmFaults,
  reasonFaults,
  versionStateFaults,
  violationStateFaults,
} from '../../src/kms/gcp/faults.ts';
import { covered, gcpFaultCases, gcpSilences, rsaFaultCases } from './gcp-faults.ts';
import { GcpWorld } from './gcp-world.ts';
import { describeKeyServiceContract } from './key-service.contract.ts';

describeKeyServiceContract('Google Cloud KMS', {
  start: () => GcpWorld.start(),
  kinds: [
    { name: 'SYMMETRIC', bindsContext: true },
    { name: 'HSM_SYMMETRIC', bindsContext: true },
    { name: 'EXTERNAL_SYMMETRIC', bindsContext: true },
    { name: 'RSA_2048', bindsContext: false },
    { name: 'RSA_3072', bindsContext: false },
    { name: 'RSA_4096', bindsContext: false },
    { name: 'RSA_4096_SHA512', bindsContext: false },
  ],
  unsuitableKinds: ['EC_SIGN', 'MAC', 'RAW_AES', 'RSA_2048_SHA1'],
  faults: [...gcpFaultCases, ...rsaFaultCases],
  silences: gcpSilences,
});

it('The contract on Google Cloud goes through every row of the fault tables', () => {
  const tables: readonly [object, ReadonlySet<string>][] = [
    [{ ...codeFaults, ...decryptFaults }, covered.codes],
    [reasonFaults, covered.reasons],
    [ekmFaults, covered.ekmDomains],
    [versionStateFaults, covered.states],
    [violationStateFaults, new Set([...covered.states].map((state) => `KEY_${state}`))],
  ];
  for (const [table, cases] of tables) expect(Object.keys(table).filter((row) => !cases.has(row))).toEqual([]);
  expect(tables.reduce((rows, [table]) => rows + Object.keys(table).length, 0)).toBeGreaterThan(55);
});
