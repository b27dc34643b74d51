/** The records of the demo: a file that ships with it. Names, orders, findings and tickets in it are invented. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';

const file = resolve(import.meta.dirname, 'records.ndjson');

export interface DemoRecord {
  /** Unlike any other's; bound to the ciphertext as associated data. */
  readonly id: string;
  /** What the record is for: one of a few; the encryption context. */
  readonly purpose: string;
  readonly body: Buffer;
}

/** Reads the file: one JSON object a line. Throws where a line is not a record. */
export async function readRecords(): Promise<DemoRecord[]> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  return lines.map((line, index) => {
    const { id, purpose, body }: Record<string, unknown> = JSON.parse(line);
    if (typeof id !== 'string' || typeof purpose !== 'string' || typeof body !== 'string') {
      throw new Error(`line ${index + 1} of ${file} is not a record`);
    }
    return { id, purpose, body: Buffer.from(body) };
  });
}
