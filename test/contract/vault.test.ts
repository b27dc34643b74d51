import { expect, it } from 'vitest';
import { sentenceFaults, statusFaults } from '../../src/kms/vault/faults.ts';
import { describeKeyServiceContract } from './key-service.contract.ts';
import { coveredSentences, coveredStatuses, vaultFaultCases, vaultSilences } from './vault-faults.ts';
import { VaultWorld } from './vault-world.ts';

describeKeyServiceContract('Vault transit', {
  start: () => VaultWorld.start(),
  kinds: [
    { name: 'aes256-gcm96', bindsContext: true },
    { name: 'aes128-gcm96', bindsContext: true },
    { name: 'chacha20-poly1305', bindsContext: true },
    { name: 'rsa-2048', bindsContext: false },
    { name: 'rsa-3072', bindsContext: false },
    { name: 'rsa-4096', bindsContext: false },
  ],
  unsuitableKinds: ['ecdsa-p256', 'ed25519'],
  faults: vaultFaultCases,
  silences: vaultSilences,
});

it('The contract on Vault goes through every row of the fault tables', () => {
  // What only a login says, and what makes a call be made once more, have tests of their own.
  const elsewhere = ['invalid role or secret id', 'permission denied', 'non-aead cipher suite'];
  const known = sentenceFaults.map(({ says }) => says).filter((says) => !elsewhere.includes(says));
  expect(known.filter((says) => !coveredSentences.some((sentence) => sentence.includes(says)))).toEqual([]);
  expect(Object.keys(statusFaults).filter((status) => !coveredStatuses.includes(Number(status)))).toEqual([]);
  expect(known.length).toBeGreaterThan(15);
});
