/**
 * The Huffman code of RFC 7541 appendix B. It is canonical: codes of one length follow each other in the order of their
 * symbols, and each length goes on where the one before it ended. So the lengths are all that has to be written down.
 */

/** The symbol that ends a string; it has a code, and no string may hold it (RFC 7541 section 5.2). */
export const endOfString = 256;

/** Bits of the longest code. */
const longestCode = 30;

/** Bits of the code of every byte and of `endOfString`, from 5 to 30. */
// biome-ignore format: sixteen in a row, as the bytes go
export const codeLengths: Readonly<Uint8Array> = Uint8Array.of(
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
);

/** The code of every symbol, in the low bits of a number; `codeLengths` says how many of them. */
export const codes: Readonly<Uint32Array> = codesOf(codeLengths);

/** One pass for each length would be plainer, and slower than all else that a start of keyproxy does here. */
function codesOf(lengths: Readonly<Uint8Array>): Uint32Array {
  const counts = new Uint32Array(longestCode + 1);
  for (const length of lengths) counts[length] = (counts[length] ?? 0) + 1;
  // The first code of each length, then the next one that is free.
  const next = new Uint32Array(longestCode + 1);
  for (let length = 1; length < longestCode; length++) {
    next[length + 1] = 2 * ((next[length] ?? 0) + (counts[length] ?? 0));
  }
  return Uint32Array.from(lengths, (length) => {
    const code = next[length] ?? 0;
    next[length] = code + 1;
    return code;
  });
}
