/** A file that the log is written to, and whether it is still what its name leads to. */
import { chmod, type FileHandle, open, stat } from 'node:fs/promises';

/**
 * Opens a file for its owner alone. Undefined where there is something else: bytes that go to a FIFO or a device are
 * not kept, and its mode is its owner's affair. Rejects with the system's error.
 */
export async function openLogFile(path: string, flags: string): Promise<FileHandle | undefined> {
  // Opening a device may do something to it.
  if ((await found(path))?.isFile() === false) return undefined;
  const file = await open(path, flags, 0o600);
  if (!(await file.stat()).isFile()) {
    await file.close();
    return undefined;
  }
  // By its path: the permission model lets nobody change a mode by a descriptor.
  await chmod(path, 0o600).catch(() => {});
  return file;
}

/** Whether the path leads to this file. Rejects with the system's error where it is neither there nor missing. */
export async function isAt(path: string, file: FileHandle): Promise<boolean> {
  const [there, own] = [await found(path), await file.stat({ bigint: true })];
  return there !== undefined && there.dev === own.dev && there.ino === own.ino;
}

/** What the path leads to; undefined where there is nothing. */
function found(path: string) {
  return stat(path, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
