/** CRC-32C, the checksum of Cloud KMS's integrity fields (RFC 3720, appendix B.4; reflected polynomial 0x82F63B78). */

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ 0x82f63b78 : remainder >>> 1;
  return remainder;
});

/** The checksum, an unsigned 32-bit number. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}

/** The checksum as a `google.protobuf.Int64Value`. */
export function crc32cValue(data: Uint8Array): { readonly value: string } {
  return { value: String(crc32c(data)) };
}
