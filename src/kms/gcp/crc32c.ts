/**
 * CRC32C (Castagnoli), with which Cloud KMS lets both sides find bytes that changed on their way
 * (https://cloud.google.com/kms/docs/data-integrity-guidelines). Node's `zlib.crc32` is another polynomial.
 */

/** The Castagnoli polynomial, bits reversed (RFC 3720, appendix B.4). */
const polynomial = 0x82f63b78;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
  return value >>> 0;
});

/** The checksum of `bytes` as an unsigned number of 32 bits; `123456789` gives e3069283. */
export function crc32c(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ (table[(value ^ byte) & 0xff] ?? 0);
  return (value ^ 0xffffffff) >>> 0;
}
