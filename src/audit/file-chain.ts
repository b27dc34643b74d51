/**
 * The log in a file: goes on with the chain that is there, moves on to a new file, also where the one that is written
 * was taken away, and deletes what is old.
 */
import { type FileHandle, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock, Timer } from '../base/clock.ts';
import { codeOf } from '../base/system-code.ts';
import { lockChain } from './chain-lock.ts';
import { fullFiles, fullPath } from './chain-names.ts';
import { readFirstSeal, readTail, recover } from './chain-tail.ts';
import { type AuditAlarm, AuditOpenError } from './failure.ts';
import { isAt, openLogFile } from './log-file.ts';
import type { ChainEnd, Output, WriteBytes } from './output.ts';
import { noHash } from './seal.ts';

export interface FileChainOptions {
  /** Absolute. */
  readonly path: string;
  readonly maxFileBytes: number;
  readonly retentionDays: number;
  readonly clock: Clock;
  readonly onAlarm: (alarm: AuditAlarm) => void;
  readonly write: WriteBytes;
}

/** A rotation that failed is tried again after this long; old files are looked for this often. In milliseconds. */
const [rotateAgainMs, lookAgainMs, dayMs] = [60_000, 3_600_000, 86_400_000];

/** Before a write it is looked whether the file is still at its path, where that was so long ago, in milliseconds. */
const stayMs = 1_000;

/** Takes the lock and the file. Throws an AuditOpenError where it cannot. */
export async function openFileChain(options: FileChainOptions): Promise<Output> {
  const { path } = options;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await using stack = new AsyncDisposableStack();
    const lock = stack.use(await lockChain(path));
    // What a rotation that was cut short has left: nothing was written into it.
    await unlink(nextPath(path)).catch(() => {});
    const before = await endOfFullFiles(path);
    const file = stack.use((await openLogFile(path, 'a+')) ?? raise(notAFile(path)));
    const { end, first } = await goOn(file, before, options);
    const { size } = await file.stat();
    const chain = new FileChain(options, { lock, file, end, first, size });
    stack.move();
    return chain;
  } catch (error) {
    if (error instanceof AuditOpenError) throw error;
    throw new AuditOpenError(`cannot write the audit log ${path}: ${codeOf(error)}`, error);
  }
}

function nextPath(path: string): string {
  return `${path}.next`;
}

function notAFile(path: string): AuditOpenError {
  return new AuditOpenError(
    `cannot write the audit log ${path}: it is not a regular file; name one, a path where nothing is yet, or stdout`,
  );
}

function raise(error: Error): never {
  throw error;
}

/** Where the newest full file ends. */
async function endOfFullFiles(path: string): Promise<ChainEnd> {
  const newest = (await fullFiles(path)).at(-1);
  if (newest === undefined) return { block: 0, seq: 0, hash: noHash };
  await using file = await open(newest.path);
  const tail = await readTail(file);
  if (tail?.seal === undefined || tail.lines !== '') throw notALog(newest.path);
  return tail.seal;
}

function notALog(path: string): AuditOpenError {
  return new AuditOpenError(
    `cannot go on with the audit log ${path}: it does not end as one; look at it with keyproxy audit verify, then move it away`,
  );
}

/** Ends a line that was cut, seals what was not, and finds the chain's end and the first block of the file. */
async function goOn(
  file: FileHandle,
  before: ChainEnd,
  { path, onAlarm }: FileChainOptions,
): Promise<{ end: ChainEnd; first: number }> {
  const left = await readTail(file);
  if (left === undefined) throw notALog(path);
  if (await isCutShort(file)) await file.appendFile('\n');
  const end = left.seal ?? before;
  const recovery = recover(left.lines, end);
  if (recovery !== undefined) {
    await file.appendFile(recovery.seal, 'latin1');
    onAlarm({ kind: 'recovered', entries: recovery.entries });
  }
  return { end: recovery?.end ?? end, first: (await readFirstSeal(file))?.block ?? end.block + 1 };
}

/** Whether the last line has no newline. */
async function isCutShort(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] !== 0x0a;
}

interface Opened {
  readonly lock: AsyncDisposable;
  readonly file: FileHandle;
  readonly end: ChainEnd;
  readonly first: number;
  readonly size: number;
}

class FileChain implements Output {
  readonly end: ChainEnd;
  #reached: ChainEnd;
  readonly #options: FileChainOptions;
  readonly #lock: AsyncDisposable;
  #file: FileHandle;
  #fd: number;
  #size: number;
  /** The first block of the file. */
  #first: number;
  #rotateFrom = Number.NEGATIVE_INFINITY;
  #stayFrom = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #cleaning: Promise<void>;

  constructor(options: FileChainOptions, { lock, file, end, first, size }: Opened) {
    this.end = end;
    this.#reached = end;
    this.#options = options;
    this.#lock = lock;
    this.#file = file;
    this.#fd = file.fd;
    this.#size = size;
    this.#first = first;
    this.#cleaning = this.#clean();
  }

  async write(bytes: Buffer, offset: number): Promise<number> {
    // A block that has begun in a file ends in it.
    if (offset === 0 && this.#options.clock.monotonic() >= this.#stayFrom) await this.#stay();
    const count = await this.#options.write(this.#fd, bytes, offset, bytes.length - offset);
    this.#size += count;
    return count;
  }

  between(end: ChainEnd): Promise<void> | undefined {
    this.#reached = end;
    const { maxFileBytes, clock } = this.#options;
    return this.#size >= maxFileBytes && clock.monotonic() >= this.#rotateFrom ? this.#rotate() : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleaning;
    this.#timer?.[Symbol.dispose]();
    if (!(await isAt(this.#options.path, this.#file).catch(() => true))) this.#tellReplaced();
    await putAway(this.#file);
    await this.#lock[Symbol.asyncDispose]();
  }

  /** Goes on at the path where the file is there no more, so that nothing is written where nobody finds it. */
  async #stay(): Promise<void> {
    const { path, clock } = this.#options;
    if (!(await isAt(path, this.#file))) {
      const next = (await openLogFile(path, 'a+')) ?? raise(coded('REPLACED'));
      try {
        const left = await readTail(next);
        if (left === undefined || left.lines !== '') throw coded('REPLACED');
        const first = (await readFirstSeal(next))?.block ?? this.#reached.block + 1;
        this.#goTo(next, { first, size: (await next.stat()).size });
      } catch (error) {
        await next.close();
        throw error;
      }
      this.#tellReplaced();
    }
    this.#stayFrom = clock.monotonic() + stayMs;
  }

  #tellReplaced(): void {
    this.#options.onAlarm({ kind: 'replaced', block: this.#reached.block + 1 });
  }

  #goTo(next: FileHandle, { first, size }: { first: number; size: number }): void {
    const done = this.#file;
    this.#file = next;
    this.#fd = next.fd;
    this.#size = size;
    this.#first = first;
    this.#cleaning = this.#cleaning.then(() => putAway(done));
  }

  /** Puts a new file in the place of the full one. Where that fails, the full one is written on. */
  async #rotate(): Promise<void> {
    const { path, clock, onAlarm } = this.#options;
    const full = fullPath(path, this.#first, this.#reached.block);
    try {
      if (!(await isAt(path, this.#file))) {
        // What has its name is not full, and may be somebody else's: the next write sees to it.
        this.#stayFrom = Number.NEGATIVE_INFINITY;
        return;
      }
      const next = (await openLogFile(nextPath(path), 'ax+')) ?? raise(coded('EEXIST'));
      await swap(path, full).catch(async (error) => {
        await next.close();
        await unlink(nextPath(path)).catch(() => {});
        throw error;
      });
      this.#goTo(next, { first: this.#reached.block + 1, size: 0 });
    } catch (error) {
      this.#rotateFrom = clock.monotonic() + rotateAgainMs;
      onAlarm({ kind: 'rotation_failed', cause: codeOf(error) });
    }
  }

  /** Deletes full files that are too old, and comes back. */
  async #clean(): Promise<void> {
    const { path, retentionDays, clock, onAlarm } = this.#options;
    this.#timer?.[Symbol.dispose]();
    this.#timer = clock.after(lookAgainMs, () => {
      this.#cleaning = this.#cleaning.then(() => this.#clean());
    });
    const oldest = clock.now() - retentionDays * dayMs;
    let file = path;
    try {
      for ({ path: file } of await fullFiles(path)) {
        // Times in a chain may jump, its blocks do not: what is younger than its elders goes no sooner than they.
        if ((await stat(file)).mtimeMs >= oldest) return;
        await unlink(file);
      }
    } catch (error) {
      onAlarm({ kind: 'retention_failed', file, cause: codeOf(error) });
    }
  }
}

async function swap(path: string, full: string): Promise<void> {
  // A name that is taken would be replaced without a word.
  if (await exists(full)) throw coded('EEXIST');
  await rename(path, full);
  await rename(nextPath(path), path).catch(async (error) => {
    await rename(full, path).catch(() => {});
    throw error;
  });
}

/** An error as the system's are. */
function coded(code: 'EEXIST' | 'REPLACED'): Error {
  return Object.assign(new Error(code), { code });
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function putAway(file: FileHandle): Promise<void> {
  await file.datasync().catch(() => {});
  await file.close().catch(() => {});
}
