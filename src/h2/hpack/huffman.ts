/**
 * Strings in and out of the Huffman code (RFC 7541 section 5.2). Reading goes half a byte at a time through a table of
 * states. A state is a node of the code's tree: what of a code has been read so far. No code is shorter than five bits,
 * so half a byte ends one symbol at most.
 */
import { codeLengths, codes, endOfString } from './huffman-code.ts';

/** Nodes of the tree: one less than there are symbols. */
const nodes = endOfString;

/** A transition: the next state, and where a symbol has ended, `hasSymbol` and the symbol. */
const stateMask = 0xff;
const hasSymbol = 0x100;
const symbolShift = 9;
/** The bit of transitions that no string may make: the sign, so these are the ones below zero. */
const forbidden = 1 << 31;

const tree = growTree();
/** By state and half a byte. */
const transitions = doubled(doubled(tree, 1), 2);
const mayEndIn = statesAfterPadding();

/** The most bytes that a string can have whose code takes `size` bytes: no code is shorter than five bits. */
export function maxDecodedSize(size: number): number {
  return Math.floor((size * 8) / 5);
}

/** Bytes that `text` takes in the code. */
export function huffmanSize(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += codeLengths[text.charCodeAt(i) & 0xff] ?? 0;
  return (bits + 7) >>> 3;
}

/** Writes `text`, `huffmanSize` bytes of it. Returns where it ends. */
export function writeHuffman(text: string, target: Buffer, start: number): number {
  let at = start;
  /** The bits of the byte that is not full yet, and how many it has room for. */
  let open = 0;
  let room = 8;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    const code = codes[symbol] ?? 0;
    let left = codeLengths[symbol] ?? 0;
    while (left >= room) {
      left -= room;
      // What was written before of this code is above the byte, where storing cuts it off.
      target[at++] = (open << room) | (code >>> left);
      open = 0;
      room = 8;
    }
    open = (open << left) | (code & ((1 << left) - 1));
    room -= left;
  }
  // The rest of the last byte is the beginning of the end of string: ones.
  if (room < 8) target[at++] = (open << room) | ((1 << room) - 1);
  return at;
}

/**
 * Reads all of `source` from `start` to `end` into the front of `target`, which has to have room for `maxDecodedSize`.
 * Returns how many bytes it wrote; -1 where the end of string is in it, or where it ends inside a code that is not the
 * beginning of the end of string, or with more than seven bits of that.
 */
export function readHuffman(source: Buffer, { start, end, target }: HuffmanRange): number {
  let written = 0;
  let state = 0;
  for (let i = start; i < end; i++) {
    const byte = source[i] ?? 0;
    let transition = transitions[(state << 4) | (byte >>> 4)] ?? forbidden;
    if (transition < 0) return -1;
    if ((transition & hasSymbol) !== 0) target[written++] = transition >>> symbolShift;
    transition = transitions[((transition & stateMask) << 4) | (byte & 0xf)] ?? forbidden;
    if (transition < 0) return -1;
    if ((transition & hasSymbol) !== 0) target[written++] = transition >>> symbolShift;
    state = transition & stateMask;
  }
  return mayEndIn[state] === 1 ? written : -1;
}

/** What `readHuffman` reads and where it writes. */
export interface HuffmanRange {
  readonly start: number;
  readonly end: number;
  readonly target: Buffer;
}

/** For every node, where one more bit leads; a transition of 0 is not there yet, since no code leads back to the root. */
function growTree(): Int32Array {
  const tree = new Int32Array(2 * nodes);
  let used = 1;
  codeLengths.forEach((length, symbol) => {
    const code = codes[symbol] ?? 0;
    let node = 0;
    for (let left = length - 1; left > 0; left--) {
      const branch = 2 * node + ((code >>> left) & 1);
      if (tree[branch] === 0) tree[branch] = used++;
      node = tree[branch] ?? 0;
    }
    tree[2 * node + (code & 1)] = symbol === endOfString ? forbidden : hasSymbol | (symbol << symbolShift);
  });
  return tree;
}

/** Transitions for twice as many bits: one after the other. At most one of the two has a symbol, so its bits stay whole. */
function doubled(steps: Int32Array, bits: number): Int32Array {
  const both = new Int32Array(steps.length << bits);
  for (let at = 0; at < both.length; at++) {
    const first = steps[at >>> bits] ?? forbidden;
    const second = steps[((first & stateMask) << bits) | (at & ((1 << bits) - 1))] ?? forbidden;
    both[at] = (first & ~stateMask) | second;
  }
  return both;
}

/** 1 for each state in which a string may end: the root, and the first seven ones of the end of string after it. */
function statesAfterPadding(): Uint8Array {
  const states = new Uint8Array(nodes);
  for (let ones = 0, node = 0; ones <= 7; ones++, node = tree[2 * node + 1] ?? 0) states[node] = 1;
  return states;
}
