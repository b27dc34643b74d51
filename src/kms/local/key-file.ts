/** The file that holds a local key: 32 raw bytes that only its owner can read. */
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { KeyproxyError } from '../../base/errors.ts';
import { codeOf } from '../../base/system-code.ts';

/** Length of a local key in bytes: AES-256. */
const keyLength = 32;

/** The permission bits of group and others. */
const notOwner = 0o077;

/**
 * Reads a key. Throws `KEY_SERVICE_MISCONFIGURED` with a sentence where the file is missing, cannot be read, is not
 * 32 bytes long, or is open to group or others. Type and permissions are those of the file that was opened: a change
 * of the name between a look and a read cannot matter.
 */
export async function readKeyFile(path: string): Promise<KeyObject> {
  await using file = await opened(path);
  const { mode, size } = await file.stat();
  if ((mode & notOwner) !== 0) {
    throw unusable(path, `group or others have access (mode ${(mode & 0o777).toString(8)}); set it to 600`);
  }
  if (size !== keyLength) throw unusable(path, `it has ${size} bytes, a key has ${keyLength}`);
  // One byte more than a key has: a file that grows meanwhile is noticed.
  const bytes = Buffer.alloc(keyLength + 1);
  try {
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    if (bytesRead !== keyLength) throw unusable(path, 'its length changed while it was read');
    return createSecretKey(bytes.subarray(0, keyLength));
  } finally {
    bytes.fill(0);
  }
}

/**
 * Makes a file with a new random key, mode 0600. Throws `KEY_SERVICE_MISCONFIGURED` where anything stands at `path`
 * already (a key is never overwritten) or the file cannot be written.
 */
export async function createLocalKeyFile(path: string): Promise<void> {
  const bytes = randomBytes(keyLength);
  try {
    await using file = await open(path, 'wx', 0o600);
    await file.writeFile(bytes);
    await file.sync();
  } catch (error) {
    throw new KeyproxyError('KEY_SERVICE_MISCONFIGURED', {
      detail: `cannot make the key file ${path}: ${codeOf(error)}`,
      cause: error,
    });
  } finally {
    bytes.fill(0);
  }
}

async function opened(path: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    const missing = codeOf(error) === 'ENOENT';
    throw unusable(path, missing ? 'there is no such file' : `it cannot be opened (${codeOf(error)})`, error);
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw unusable(path, 'it is not a file');
}

function unusable(path: string, why: string, cause?: unknown): KeyproxyError {
  return new KeyproxyError('KEY_SERVICE_MISCONFIGURED', { detail: `cannot use the key file ${path}: ${why}`, cause });
}
