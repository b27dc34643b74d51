/** Pieces of header blocks (RFC 7541) that mean something, for mutations to build with. */
import { HeaderEncoder } from '../../../src/h2/hpack/encoder.ts';

function hex(digits: string): Buffer {
  return Buffer.from(digits, 'hex');
}

/** A literal in plain bytes after a first byte; both strings below 127 bytes. */
function literal(first: number, name: string, value: string): Buffer {
  return Buffer.from([first, name.length, ...Buffer.from(name), value.length, ...Buffer.from(value)]);
}

/** The head of a request, as a client writes it. */
export const requestBlock: Buffer = new HeaderEncoder({ maxTableSize: 4096 })
  .encode([
    { name: ':method', value: 'POST' },
    { name: ':scheme', value: 'http' },
    { name: ':path', value: '/a.B/C' },
    { name: ':authority', value: 'localhost' },
    { name: 'te', value: 'trailers' },
    { name: 'content-type', value: 'application/grpc' },
  ])
  // Without the size of the table, which only the first block of a connection may begin with.
  .subarray();

/** A value in the Huffman code that is longer than what a decoder has room for beforehand. */
export const longBlock: Buffer = new HeaderEncoder({ maxTableSize: 0 }).encode([
  { name: 'x-long', value: 'ea0'.repeat(1800) },
]);

export const blockPieces: readonly [Buffer, ...Buffer[]] = [
  requestBlock,
  // Fields of the static table, of the dynamic one, and of neither.
  hex('838684'),
  ...[
    '82',
    '83',
    '84',
    '86',
    '87',
    '88',
    'bd',
    'be',
    'bf',
    'c0',
    'ff00',
    'ff01',
    '80',
    'ff80',
    'ffffffff7f',
    'ffffffffff0f',
  ].map(hex),
  // Sizes of the table.
  ...['20', '3f', '3f01', '3fe11f', '3fe21f', '3f21', '2020', '202020', '203fe11f'].map(hex),
  // Literals: names by index, in plain bytes and in the Huffman code; strings that are empty, cut off or wrong.
  ...['0401 2f', '44012f', '4486 a8eb10649cbf', '5c0130', '5c0131', '5c023132', '0f0d0135', '1f0d0135'].map((digits) =>
    hex(digits.replace(' ', '')),
  ),
  ...[
    '400161',
    '000161',
    '100161',
    '0000',
    '4000',
    '4000 00',
    '000000',
    '0081ff',
    '008107ff',
    '00820fff',
    '00857fffffffff',
    '00 84fffffffc',
  ].map((digits) => hex(digits.replace(' ', ''))),
  hex('008cf1e3c2e5f23a6ba0ab90f4ff'),
  ...['00', '40', '10'].flatMap((first) => {
    const byte = Number.parseInt(first, 16);
    return [
      literal(byte, 'a', 'b'),
      literal(byte, 'te', 'trailers'),
      literal(byte, 'te', 'gzip'),
      literal(byte, ':path', '/'),
      literal(byte, ':odd', ''),
      literal(byte, 'A', ''),
      literal(byte, 'x', ' y'),
      literal(byte, 'x', 'y\n'),
      literal(byte, 'connection', 'close'),
      literal(byte, 'content-length', '5'),
      literal(byte, 'content-length', 'x'),
      literal(byte, 'host', 'h'),
      literal(byte, 'x-long', 'v'.repeat(120)),
      literal(byte, '', ''),
    ];
  }),
];
