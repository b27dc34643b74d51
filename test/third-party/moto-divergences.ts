/** Where moto 5.2.5 does not behave as AWS does; see `divergence.ts`. */
import type { Divergences } from './divergence.ts';

export const motoDivergences = {
  disabled_key_serves: {
    documented: 'a disabled key answers DisabledException (KMS Developer Guide, Key states)',
    instead: 'it generates, encrypts and decrypts; only DescribeKey tells that it is disabled',
    skips: [],
  },
  key_pending_deletion_serves: {
    documented: 'a key that is to be deleted answers KMSInvalidStateException (KMS Developer Guide, Key states)',
    instead: 'it generates, encrypts and decrypts; only DescribeKey tells its state',
    skips: [],
  },
  unreadable_ciphertext_is_denied: {
    documented: 'a ciphertext that is damaged anywhere answers InvalidCiphertextException (KMS API, Decrypt)',
    instead: 'its first 36 bytes name the key, and a change there answers AccessDeniedException',
    skips: [
      { test: 'takes a changed byte anywhere in the ciphertext for a fault of the data' },
      { test: 'takes a ciphertext that is cut, empty or too long for a fault of the data' },
    ],
  },
  other_keys_ciphertext_is_denied: {
    documented: 'a ciphertext of another key than KeyId answers IncorrectKeyException (KMS API, Decrypt)',
    instead: 'AccessDeniedException',
    skips: [{ test: 'neither owns nor opens what another key wrapped' }],
  },
  context_is_joined_without_lengths: {
    documented: 'every pair of the encryption context has to match exactly (KMS Developer Guide, Encryption context)',
    instead: 'names and values are joined without their lengths, so that {ab: c} opens what {a: bc} bound',
    skips: [],
  },
  rsa_is_aes: {
    documented: 'an RSA key encrypts by RSAES-OAEP, to as many bytes as its modulus has (KMS API, Encrypt)',
    instead: 'it encrypts as a symmetric key does, whatever its size, so that one size says all there is to say',
    skips: [{ kind: 'RSA_3072' }, { kind: 'RSA_4096' }],
  },
  anybody_assumes_any_role: {
    documented: 'AssumeRole needs a role that exists, and the external id of its trust policy (STS API, AssumeRole)',
    instead: 'any role, existing or not, is assumed with any external id',
    skips: [],
  },
  anybody_signs: {
    documented: 'a request of unknown credentials answers UnrecognizedClientException (KMS API, Common Errors)',
    instead: 'it is served',
    skips: [],
  },
  key_usage_has_no_default: {
    documented: 'a key that is made without KeyUsage is one for ENCRYPT_DECRYPT (KMS API, CreateKey)',
    instead: 'it has no KeyUsage, and DescribeKey tells none, so that the provider calls it unsuitable',
    skips: [],
  },
  multi_region_key_never_decrypts: {
    documented: 'a multi-Region key opens what it wrapped (KMS Developer Guide, Multi-Region keys)',
    instead: 'it answers AccessDeniedException: the name of such a key does not fit into the ciphertext',
    skips: [],
  },
} as const satisfies Divergences;
