import { describe, expect, it } from 'vitest';
import { huffmanSize, maxDecodedSize, readHuffman, writeHuffman } from '../../../../src/h2/hpack/huffman.ts';
import { codeLengths, codes, endOfString } from '../../../../src/h2/hpack/huffman-code.ts';
import { hex } from './blocks.ts';

function encode(text: string): string {
  const target = Buffer.alloc(huffmanSize(text));
  expect(writeHuffman(text, target, 0)).toBe(target.length);
  return target.toString('hex');
}

function decode(digits: string): string | undefined {
  const source = hex(digits);
  const target = Buffer.alloc(maxDecodedSize(source.length));
  const size = readHuffman(source, { start: 0, end: source.length, target });
  return size < 0 ? undefined : target.toString('latin1', 0, size);
}

/** The code of a symbol as RFC 7541 appendix B prints it: its bits. */
function bitsOf(symbol: number): string {
  return (codes[symbol] ?? 0).toString(2).padStart(codeLengths[symbol] ?? 0, '0');
}

// Strings of appendix C.4 and C.6.
const strings = [
  ['', ''],
  ['www.example.com', 'f1e3c2e5f23a6ba0ab90f4ff'],
  ['no-cache', 'a8eb10649cbf'],
  ['custom-key', '25a849e95ba97d7f'],
  ['custom-value', '25a849e95bb8e8b4bf'],
  ['302', '6402'],
  ['private', 'aec3771a4b'],
  ['Mon, 21 Oct 2013 20:13:21 GMT', 'd07abe941054d444a8200595040b8166e082a62d1bff'],
  ['https://www.example.com', '9d29ad171863c78f0b97c8e9ae82ae43d3'],
  ['gzip', '9bd9ab'],
] as const;

describe('the Huffman code', () => {
  it.each(strings)('of "%s" is %s', (text, bytes) => {
    expect(encode(text)).toBe(bytes);
    expect(decode(bytes)).toBe(text);
  });

  it('has the codes of appendix B, of every length', () => {
    const samples = {
      '0': '00000',
      ' ': '010100',
      ':': '1011100',
      X: '11111100',
      '!': '1111111000',
      '|': '11111111100',
      '#': '111111111010',
      '~': '1111111111101',
      '^': '11111111111100',
      '<': '111111111111100',
      '\\': '1111111111111110000',
      '\xe6': '111111111111111101000',
      '\xff': '11111111111111111111101110',
      '\n': '111111111111111111111111111100',
    };
    for (const [character, bits] of Object.entries(samples)) expect(bitsOf(character.charCodeAt(0))).toBe(bits);
    expect(bitsOf(endOfString)).toBe('1'.repeat(30));
  });

  it('is complete and no code begins another', () => {
    expect(codeLengths.length).toBe(257);
    expect(codeLengths.reduce((sum, length) => sum + 2 ** -length, 0)).toBe(1);
  });

  it('brings back every byte', () => {
    const all = String.fromCharCode(...Array(256).keys());
    expect(decode(encode(all))).toBe(all);
  });

  it('takes up to seven ones after the last code', () => {
    expect(decode('07')).toBe('0');
    expect(decode('0000000000')).toBe('00000000');
    // Codes of 5, 5 and 7 bits leave room for seven.
    expect(encode('00B')).toBe('002eff');
    expect(decode('002eff')).toBe('00B');
  });

  it.each([
    ['eight ones', '07ff'],
    ['only ones', 'ff'],
    ['a zero among the ones', '06'],
    ['zeros', '00'],
    ['the middle of a code', 'fe'],
    ['the end of string', 'fffffffc'],
    ['the end of string and more of it', '07ffffffff'],
  ])('refuses padding that is %s', (_, bytes) => {
    expect(decode(bytes)).toBeUndefined();
  });
});
