/** The folder of a daemon's state as whoever finds the disk reads it. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface StateFiles {
  /** Rows of each whole file, by its name. */
  readonly rows: ReadonlyMap<string, readonly Readonly<Record<string, unknown>>[]>;
  /** All bytes of all files, those of half-written ones too. */
  readonly bytes: Buffer;
}

/** Reads all files of the folder. Throws where one is not whole; what was being written is beside it. */
export async function readStateFiles(folder: string): Promise<StateFiles> {
  const rows = new Map<string, readonly Readonly<Record<string, unknown>>[]>();
  const contents: Buffer[] = [];
  for (const name of await readdir(folder)) {
    // A living daemon may have put it in its place meanwhile.
    const content = await readFile(join(folder, name)).catch(() => Buffer.alloc(0));
    contents.push(content);
    if (name.startsWith('.') || content.length === 0) continue;
    const parsed = JSON.parse(content.toString()) as { rows: Readonly<Record<string, unknown>>[] };
    if (!Array.isArray(parsed.rows)) throw new Error(`${name} has no rows`);
    rows.set(name, parsed.rows);
  }
  return { rows, bytes: Buffer.concat(contents) };
}

/** The secrets that stand in `bytes`, in any form that a careless writer might have chosen. */
export function secretsIn(bytes: Buffer, secrets: readonly Buffer[]): Buffer[] {
  const text = bytes.toString('latin1');
  const forms = ['hex', 'base64', 'base64url'] as const;
  return secrets.filter(
    (secret) =>
      bytes.includes(secret) ||
      text.includes(secret.toString('hex').toUpperCase()) ||
      forms.some((form) => text.includes(secret.toString(form).replace(/=+$/, ''))),
  );
}
