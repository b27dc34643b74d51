/**
 * A data key P: what a key service unwraps, and everything that is computed from it alone. Keys that depend only on P
 * are derived once and kept.
 *
 *     wrap-tag key         = HKDF(P, "", "keyproxy/v1/wrap-tag", 32)
 *     associated-data key  = HKDF(P, "", "keyproxy/v1/associated-data", 32)
 *
 * HKDF is RFC 5869 with SHA-512; docs/ciphertexts.md has the formulas with known answers.
 */
import { lengthPrefixed } from '../base/bytes.ts';
import type { EncryptionContext } from '../base/encryption-context.ts';
import { SecretBytes } from '../base/secret.ts';
import { expand, extract } from './hkdf.ts';
import { hmacTag } from './hmac-tag.ts';

/** Length in bytes of binding tags and of the associated-data tag. */
export const tagLength = 16;
/** Length in bytes of the salt of a derived DEK. */
export const saltLength = 32;

const emptySalt = new Uint8Array(0);
const wrapTagLabel = Buffer.from('keyproxy/v1/wrap-tag');
const associatedDataLabel = Buffer.from('keyproxy/v1/associated-data');
const derivedDekLabel = Buffer.from('keyproxy/v1/derived-dek');

/** Owns P until it is disposed of; every method throws from then on. */
export class DataKey implements Disposable {
  readonly #secret: SecretBytes;
  #wrapTagKey: SecretBytes | undefined;
  #associatedDataKey: SecretBytes | undefined;

  private constructor(secret: SecretBytes) {
    this.#secret = secret;
  }

  /** Takes over `secret`, which is wiped when the data key is disposed of. */
  static adopt(secret: SecretBytes): DataKey {
    return new DataKey(secret);
  }

  /** Length of P in bytes; 0 once disposed of. */
  get length(): number {
    return this.#secret.length;
  }

  /** P itself, still owned by the data key. */
  get secret(): SecretBytes {
    return this.#secret;
  }

  /**
   * The 16-byte tag that binds a wrapped DEK to its tenant and context:
   * `HMAC-SHA256(wrap-tag key, body ‖ lp(tenant) ‖ ser(EC))`, cut. `body` is all of the wrapped DEK before its tag.
   */
  wrapTag(body: Buffer, tenantId: string, context: EncryptionContext): Buffer {
    this.#wrapTagKey ??= this.#labelled(wrapTagLabel);
    const parts = [body, lengthPrefixed(tenantId), context.serialized];
    return hmacTag(this.#wrapTagKey.reveal(), parts, tagLength);
  }

  /**
   * The DEK of `length` bytes (64 at most) that belongs to a salt of 32 bytes, with P as its root:
   * `HKDF(P, salt, "keyproxy/v1/derived-dek" ‖ length:u8 ‖ lp(tenant) ‖ ser(EC), length)`. The caller owns it.
   */
  derive(salt: Buffer, length: number, tenantId: string, context: EncryptionContext): SecretBytes {
    if (salt.length !== saltLength) throw new RangeError('the salt of a derived key has 32 bytes');
    const extracted = extract(salt, this.#secret.reveal());
    const info = [derivedDekLabel, Uint8Array.of(length), lengthPrefixed(tenantId), context.serialized];
    const derived = SecretBytes.adopt(expand(extracted, info, length));
    extracted.fill(0);
    return derived;
  }

  /** The 16-byte tag that binds associated data to a message: `HMAC-SHA256(associated-data key, r ‖ AD)`, cut. */
  associatedDataTag(r: Buffer, ad: Uint8Array): Buffer {
    this.#associatedDataKey ??= this.#labelled(associatedDataLabel);
    return hmacTag(this.#associatedDataKey.reveal(), [r, ad], tagLength);
  }

  /** Wipes P and what was derived from it. */
  [Symbol.dispose](): void {
    this.#secret[Symbol.dispose]();
    this.#wrapTagKey?.[Symbol.dispose]();
    this.#associatedDataKey?.[Symbol.dispose]();
    this.#wrapTagKey = undefined;
    this.#associatedDataKey = undefined;
  }

  #labelled(label: Buffer): SecretBytes {
    const extracted = extract(emptySalt, this.#secret.reveal());
    const key = SecretBytes.adopt(expand(extracted, [label], 32));
    extracted.fill(0);
    return key;
  }
}
