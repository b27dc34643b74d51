/** The end of a file of the log, as the process that wrote it left it. */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { ChainEnd } from './output.ts';
import { linePrefix, parseSeal, type Seal, sealEnd, sealHead, sealPrefix } from './seal.ts';

/** No block is longer, nor is what a killed process leaves unsealed. */
const longestTail = 16 * 2 ** 20;

const firstStep = 64 * 1024;

/** What a file ends with. */
export interface Tail {
  /** The last seal; undefined where there is none. */
  readonly seal: Seal | undefined;
  /** Lines after it, each with its newline but perhaps the last. */
  readonly lines: string;
}

/**
 * Reads the end of a file, one character for each byte. Undefined where the file does not end as a log does: it has no
 * seal in the last 16 MiB, or no line of ours at all.
 */
export async function readTail(file: FileHandle): Promise<Tail | undefined> {
  const { size } = await file.stat();
  if (size === 0) return { seal: undefined, lines: '' };
  for (let step = firstStep; ; step *= 4) {
    const length = Math.min(step, size);
    const text = await readText(file, size - length, length);
    const found = splitAtSeal(text);
    if (found !== undefined) return found;
    if (length === size && size <= longestTail) {
      return text.startsWith(linePrefix) || text.includes(`\n${linePrefix}`) || linePrefix.startsWith(text)
        ? { seal: undefined, lines: text }
        : undefined;
    }
    if (length >= longestTail) return undefined;
  }
}

/** The first seal of a file, by which the file's name is known once it is full; undefined where there is none. */
export async function readFirstSeal(file: FileHandle): Promise<Seal | undefined> {
  const { size } = await file.stat();
  const text = await readText(file, 0, Math.min(longestTail, size));
  for (let at = text.indexOf(sealPrefix); at >= 0; at = text.indexOf(sealPrefix, at + 1)) {
    const end = text.indexOf('\n', at);
    const seal = at === 0 || text[at - 1] === '\n' ? parseSeal(text.slice(at, end < 0 ? undefined : end)) : undefined;
    if (seal !== undefined) return seal;
  }
  return undefined;
}

async function readText(file: FileHandle, from: number, length: number): Promise<string> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, from);
  return bytes.toString('latin1', 0, bytesRead);
}

function splitAtSeal(text: string): Tail | undefined {
  for (let at = text.lastIndexOf(sealPrefix); at >= 0; at = at === 0 ? -1 : text.lastIndexOf(sealPrefix, at - 1)) {
    const newline = text.indexOf('\n', at);
    const seal =
      at === 0 || text[at - 1] === '\n' ? parseSeal(text.slice(at, newline < 0 ? undefined : newline)) : undefined;
    if (seal !== undefined) return { seal, lines: newline < 0 ? '' : text.slice(newline + 1) };
  }
  return undefined;
}

const entryForm = /^\{"audit":1,"seq":(\d{1,15}),.*\}$/;

/** Lines that nobody sealed, with the seal that they get. */
export interface Recovery {
  readonly end: ChainEnd;
  /** Whole entries among them. */
  readonly entries: number;
  /** To be written after them. */
  readonly seal: string;
}

/** Seals whole lines that follow `end`; undefined where none of them is ours. */
export function recover(lines: string, end: ChainEnd): Recovery | undefined {
  const ours = lines.split('\n').filter((line) => line.startsWith(linePrefix));
  if (ours.length === 0) return undefined;
  const numbers = ours.map((line) => entryForm.exec(line)?.[1]).filter((number) => number !== undefined);
  const [block, seq] = [end.block + 1, Number(numbers.at(-1) ?? end.seq)];
  const head = sealHead({ block, entries: numbers.length, seq, recovered: true, prev: end.hash });
  const bytes = Buffer.from(`${ours.map((line) => `${line}\n`).join('')}${head}`, 'latin1');
  const hash = createHash('sha256').update(bytes).digest('hex');
  return { end: { block, seq, hash }, entries: numbers.length, seal: `${head}${hash}${sealEnd}` };
}
