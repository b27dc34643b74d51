/** What HMAC does with a key before it hashes (RFC 2104), for any block length. */

/** The masks of the inner and of the outer hash. */
export const masks = { inner: 0x36, outer: 0x5c } as const;

/** Writes a key, filled up with zeros to `blockLength` bytes and masked, to the front of `target`. */
export function writeMasked(target: Uint8Array, key: Uint8Array, { blockLength, mask }: HmacBlock): void {
  target.fill(mask, key.length, blockLength);
  for (let i = 0; i < key.length; i++) target[i] = (key[i] ?? 0) ^ mask;
}

/** How long a block of the hash is, in bytes, and which mask is due. */
export interface HmacBlock {
  readonly blockLength: number;
  readonly mask: number;
}
