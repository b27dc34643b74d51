/** Where ministack 1.5.33 does not behave as AWS does; see `divergence.ts`. */
import type { Divergences } from './divergence.ts';

export const ministackDivergences = {
  symmetric_is_unauthenticated: {
    documented: 'a ciphertext that is damaged anywhere answers InvalidCiphertextException (KMS API, Decrypt)',
    instead: 'it is a stream cipher without a tag: changed or cut ciphertexts open, to other or fewer bytes',
    skips: [
      { test: 'takes a changed byte anywhere in the ciphertext for a fault of the data', kind: 'SYMMETRIC_DEFAULT' },
      { test: 'takes a ciphertext that is cut, empty or too long for a fault of the data', kind: 'SYMMETRIC_DEFAULT' },
      { test: 'says nothing of the bytes in its error', kind: 'SYMMETRIC_DEFAULT' },
    ],
  },
  other_keys_symmetric_ciphertext_opens: {
    documented: 'a ciphertext of another key than KeyId answers IncorrectKeyException (KMS API, Decrypt)',
    instead: 'the key of KeyId opens it, to other bytes',
    skips: [{ test: 'neither owns nor opens what another key wrapped', kind: 'SYMMETRIC_DEFAULT' }],
  },
  too_long_for_encrypt: {
    documented: 'Encrypt takes 4,096 bytes at the most under a symmetric key (KMS API, Encrypt)',
    instead: 'it takes more',
    skips: [],
  },
  root_assumes_roles: {
    documented: 'the root user of an account cannot assume a role (STS API, AssumeRole)',
    instead: "it can, where the role's trust policy names it",
    skips: [],
  },
} as const satisfies Divergences;
