/** Corpora as text, an input a line: compressed, since inputs have long runs of one byte, and in base64. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync, inflateRawSync } from 'node:zlib';

const folder = join(import.meta.dirname, '../corpus');

function pathOf(name: string): string {
  return join(folder, `${name}.txt`);
}

/** The inputs of a target that once broke a promise. */
export function readFound(name: string): Buffer[] {
  const rows = readFileSync(pathOf('found'), 'utf8').split('\n');
  return rows.flatMap((row) => {
    const [target, line] = row.split(' ');
    return target === name && line !== undefined ? [inputOf(line)] : [];
  });
}

/** The inputs of a target; none where nothing was kept yet. */
export function readCorpus(name: string): Buffer[] {
  if (!existsSync(pathOf(name))) return [];
  return readFileSync(pathOf(name), 'utf8').split('\n').filter(Boolean).map(inputOf);
}

export function writeCorpus(name: string, inputs: readonly Buffer[]): void {
  writeFileSync(pathOf(name), inputs.map((input) => `${lineOf(input)}\n`).join(''));
}

/** An input as a line of a corpus. */
export function lineOf(input: Buffer): string {
  return deflateRawSync(input, { level: 9 }).toString('base64');
}

export function inputOf(line: string): Buffer {
  return inflateRawSync(Buffer.from(line, 'base64'));
}
