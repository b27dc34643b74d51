/**
 * The algorithm suites of the message format (AWS Encryption SDK specification, framework/algorithm-suites.md), as
 * data. Writing uses one of them; reading knows all.
 */

/** How a message's content key comes from the data key. */
type KeyDerivation =
  /** The data key itself encrypts. Such a data key must never serve two messages. */
  | { readonly kind: 'none' }
  /** HKDF with a zero salt and `suite ‖ message id` as info. */
  | { readonly kind: 'hkdf'; readonly hash: 'sha256' | 'sha384' }
  /** HKDF-SHA512 with the message id as salt; gives a commitment to the key beside the content key. */
  | { readonly kind: 'committing' };

/** How the footer of a signed message is made: ECDSA, DER-encoded, over everything before the footer. */
export interface SignatureScheme {
  readonly hash: 'sha256' | 'sha384';
  /** What stands before a compressed point to make it a SubjectPublicKeyInfo (RFC 5480). */
  readonly keyPrefix: Buffer;
  /** Length of a compressed point in bytes. */
  readonly pointLength: number;
}

/** One algorithm suite. All of them are AES-GCM with 12-byte IVs and 16-byte tags. */
export interface Suite {
  /** The number on the wire. */
  readonly id: number;
  /** The message version that carries it. */
  readonly version: 1 | 2;
  readonly cipher: 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm';
  /** Length in bytes of the data key and of the content key alike. */
  readonly keyLength: 16 | 24 | 32;
  readonly derivation: KeyDerivation;
  /** Absent: messages carry no footer. */
  readonly signature?: SignatureScheme;
}

const aes128 = { cipher: 'aes-128-gcm', keyLength: 16 } as const;
const aes192 = { cipher: 'aes-192-gcm', keyLength: 24 } as const;
const aes256 = { cipher: 'aes-256-gcm', keyLength: 32 } as const;

const none = { version: 1, derivation: { kind: 'none' } } as const;
const hkdf256 = { version: 1, derivation: { kind: 'hkdf', hash: 'sha256' } } as const;
const hkdf384 = { version: 1, derivation: { kind: 'hkdf', hash: 'sha384' } } as const;
const committing = { version: 2, derivation: { kind: 'committing' } } as const;

const p256: SignatureScheme = {
  hash: 'sha256',
  keyPrefix: Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
  pointLength: 33,
};
const p384: SignatureScheme = {
  hash: 'sha384',
  keyPrefix: Buffer.from('3046301006072a8648ce3d020106052b81040022033200', 'hex'),
  pointLength: 49,
};

/** The suite that keyproxy writes: AES-256-GCM, HKDF-SHA512, key commitment, no signature. */
export const committingSuite: Suite = { id: 0x0478, ...aes256, ...committing };

const table: readonly Suite[] = [
  { id: 0x0014, ...aes128, ...none },
  { id: 0x0046, ...aes192, ...none },
  { id: 0x0078, ...aes256, ...none },
  { id: 0x0114, ...aes128, ...hkdf256 },
  { id: 0x0146, ...aes192, ...hkdf256 },
  { id: 0x0178, ...aes256, ...hkdf256 },
  { id: 0x0214, ...aes128, ...hkdf256, signature: p256 },
  { id: 0x0346, ...aes192, ...hkdf384, signature: p384 },
  { id: 0x0378, ...aes256, ...hkdf384, signature: p384 },
  committingSuite,
  { id: 0x0578, ...aes256, ...committing, signature: p384 },
];

/** Every suite that can be read, by its number on the wire. */
export const suites: ReadonlyMap<number, Suite> = new Map(table.map((suite) => [suite.id, suite]));

/** Which suites a tenant's messages may have: those that commit to their key, or all that can be read. */
export type SuitePolicy = 'committing' | 'all';

/** Tells whether a message of this suite may be opened. Ask before any key is unwrapped. */
export function suitePolicyAllows(suite: Suite, policy: SuitePolicy): boolean {
  return policy === 'all' || suite.derivation.kind === 'committing';
}
