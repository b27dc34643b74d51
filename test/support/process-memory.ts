/**
 * What a core image of a process would hold: its private memory, read through `/proc/PID/mem` while it stands still, and
 * looked through for copies of secrets. Linux alone has this, for a process of the same user or for root.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/** How the bytes of a secret may lie in memory. */
export type Form = 'raw' | 'base64' | 'hex';

/** A copy of a secret, or what is left of one. */
export interface Copy {
  readonly form: Form;
  /** What the kernel calls the mapping that it is in: `[heap]` (malloc's), `[stack]`, nothing where it has no name. */
  readonly mapping: string;
  /** What stands right before it, characters that cannot be printed as dots: it tells whose copy it is. */
  readonly before: string;
}

interface Piece {
  /** Index of the secret. */
  readonly secret: number;
  readonly form: Form;
  readonly bytes: Buffer;
  /** Where it is in the whole. */
  readonly offset: number;
}

interface Region {
  readonly start: number;
  readonly end: number;
  readonly mapping: string;
}

/** Where bytes that were read lie. */
interface Place {
  readonly at: number;
  readonly mapping: string;
  /** Whether they are not read once more, with what comes behind them. */
  readonly isLast: boolean;
}

/**
 * Characters of a piece: few enough to find what an allocator left of a freed copy, and at least six bytes of the secret,
 * which nothing else has by chance.
 */
const pieceSizes: Readonly<Record<Form, number>> = { raw: 8, base64: 8, hex: 16 };
/** Bytes that are read at a time, and the end of them that is read once more: a piece may lie across two reads. */
const [stepBytes, overlap] = [2 ** 22, 15];
/** Bytes of a page, and of its entry in `pagemap`. */
const [pageBytes, entryBytes] = [4096, 8];

/** Whether the memory of other processes can be read here. */
export const canReadMemory = process.platform === 'linux';

/** Copies of each secret in the memory of the process `pid`, which stands still meanwhile. */
export function copiesIn(pid: number, secrets: readonly Buffer[]): Copy[][] {
  const search = new Search(secrets);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const pages = openSync(`/proc/${pid}/pagemap`, 'r');
  try {
    process.kill(pid, 'SIGSTOP');
    for (const region of regionsOf(pid).flatMap((each) => present(pages, each))) {
      forEachPart(memory, region, (bytes, place) => search.lookThrough(bytes, place));
    }
  } finally {
    process.kill(pid, 'SIGCONT');
    closeSync(memory);
    closeSync(pages);
  }
  return search.found();
}

/** One walk over the bytes for all pieces, which are found by their first two bytes. */
class Search {
  /** Of each secret, by form and address: several pieces may be of one copy. */
  readonly #copies: Map<string, Copy>[];
  readonly #pieces: (Piece[] | undefined)[] = Array.from({ length: 2 ** 16 });

  constructor(secrets: readonly Buffer[]) {
    this.#copies = secrets.map(() => new Map());
    for (const piece of secrets.flatMap(piecesOf)) {
      const begin = piece.bytes.readUInt16LE(0);
      this.#pieces[begin] = [...(this.#pieces[begin] ?? []), piece];
    }
  }

  found(): Copy[][] {
    return this.#copies.map((copies) => [...copies.values()]);
  }

  lookThrough(bytes: Buffer, { at: address, mapping, isLast }: Place): void {
    const pieces = this.#pieces;
    let before = bytes[0] ?? 0;
    for (let at = 0, end = bytes.length - (isLast ? 0 : overlap); at < end; at++) {
      const next = bytes[at + 1] ?? 0;
      const candidates = pieces[before | (next << 8)];
      before = next;
      if (candidates === undefined) continue;
      for (const { secret, form, bytes: piece, offset } of candidates) {
        if (!standsAt(bytes, at, piece)) continue;
        const begin = at - offset;
        const copies = this.#copies[secret];
        const key = `${form} ${address + begin}`;
        if (copies?.has(key) === false) copies.set(key, { form, mapping, before: printable(bytes, begin) });
      }
    }
  }
}

/** Characters before a copy that are told. */
const shownBefore = 40;

function printable(bytes: Buffer, end: number): string {
  const before = bytes.subarray(Math.max(0, end - shownBefore), Math.max(0, end));
  return before.toString('latin1').replaceAll(/[^\x20-\x7e]/g, '.');
}

function standsAt(bytes: Buffer, at: number, piece: Buffer): boolean {
  for (let i = 0; i < piece.length; i++) if (bytes[at + i] !== piece[i]) return false;
  return true;
}

/** The pieces by which a secret is found in any form, at any place of a text in base64. */
function piecesOf(secret: Buffer, index: number): Piece[] {
  const base64 = [0, 1, 2].flatMap((shift) => {
    // The characters that this secret alone determines, whatever stands before and behind it.
    const before = Buffer.concat([Buffer.alloc(shift), secret]).toString('base64');
    return cut(index, 'base64', Buffer.from(before.slice(shift === 0 ? 0 : 4, -4)));
  });
  return [...cut(index, 'raw', secret), ...base64, ...cut(index, 'hex', Buffer.from(secret.toString('hex')))];
}

function cut(secret: number, form: Form, bytes: Buffer): Piece[] {
  const size = pieceSizes[form];
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, index) => {
    const offset = index * size;
    return { secret, form, bytes: bytes.subarray(offset, offset + size), offset };
  });
}

/** Everything that a process can read and shares with nobody, but for what only repeats a file: programs, libraries. */
function regionsOf(pid: number): Region[] {
  return readFileSync(`/proc/${pid}/maps`, 'latin1')
    .split('\n')
    .flatMap((line) => {
      const match = /^([0-9a-f]+)-([0-9a-f]+) r(.).p \S+ \S+ \S+\s*(.*)$/.exec(line);
      if (match === null) return [];
      const [, start = '', end = '', write = '', mapping = ''] = match;
      // The kernel's own pages ([vvar], [vdso]) have a name as well, and cannot be written either.
      if (write !== 'w' && mapping !== '') return [];
      return [{ start: Number.parseInt(start, 16), end: Number.parseInt(end, 16), mapping }];
    });
}

/** The parts of a region that have memory behind them: V8 reserves half a gigabyte for code that it never makes. */
function present(pages: number, { start, end, mapping }: Region): Region[] {
  const count = (end - start) / pageBytes;
  const entries = Buffer.alloc(count * entryBytes);
  readSync(pages, entries, 0, entries.length, (start / pageBytes) * entryBytes);
  const parts: Region[] = [];
  let from: number | undefined;
  for (let page = 0; page <= count; page++) {
    // Bit 63: in memory; bit 62: swapped out.
    const isThere = page < count && ((entries[page * entryBytes + 7] ?? 0) & 0xc0) !== 0;
    if (isThere) from ??= page;
    else if (from !== undefined) {
      parts.push({ start: start + from * pageBytes, end: start + page * pageBytes, mapping });
      from = undefined;
    }
  }
  return parts;
}

function forEachPart(memory: number, region: Region, take: (bytes: Buffer, place: Place) => void): void {
  const { start, end, mapping } = region;
  const buffer = Buffer.allocUnsafeSlow(Math.min(stepBytes, end - start));
  for (let at = start, isLast = false; !isLast; ) {
    const read = readSync(memory, buffer, 0, Math.min(buffer.length, end - at), at);
    isLast = at + read >= end || read <= overlap;
    take(buffer.subarray(0, read), { at, mapping, isLast });
    at += read - overlap;
  }
}
