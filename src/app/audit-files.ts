/** The files of an audit log as a chain, for the commands that read one. A daemon may be writing it meanwhile. */
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CallPairs, type CallRow } from '../audit/calls.ts';
import { fullFiles, parseFullPath } from '../audit/chain-names.ts';
import { linesOf } from '../audit/lines.ts';
import { type ChainReport, Verification, type VerificationOptions } from '../audit/verification.ts';
import { pause, systemClock } from '../base/clock.ts';
import { StartupError } from './startup-error.ts';

/** Where lines come from: a file or a folder of the chain, or what is piped in. */
export type AuditSource =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'input'; readonly input: AsyncIterable<Buffer> };

const pieceBytes = 256 * 1024;

/** A block that is being written is waited for this long, in milliseconds, and looked for this often. */
const [sealWaitMs, lookMs] = [2_000, 20];

/** A chain's report, and how many files it is made of. */
export type AuditVerdict = ChainReport & { readonly files: number };

/** Checks a chain. Throws a StartupError where it cannot be read. */
export async function verifyAudit(source: AuditSource, options: VerificationOptions): Promise<AuditVerdict> {
  const verification = new Verification({ ...options, restarts: source.kind === 'input' });
  let files = 0;
  for await (const file of filesOf(source)) {
    files += 1;
    verification.file(file.name);
    for await (const lines of linesOf(file.pieces(() => verification.isOpen))) {
      for (const line of lines) verification.line(line);
    }
  }
  return { ...verification.finish(), files };
}

/** What `keyproxy audit show` asks for; undefined for all. */
export interface CallFilter {
  readonly id?: string | undefined;
  readonly caller?: string | undefined;
  readonly tenant?: string | undefined;
  readonly operation?: string | undefined;
  readonly outcome?: string | undefined;
  readonly reason?: string | undefined;
  /** Milliseconds since 1970; both are times at which a call began. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/** The calls of a chain that pass, in the order in which they ended, some at a time. Throws as `verifyAudit` does. */
export async function* auditCalls(
  source: AuditSource,
  filter: CallFilter,
): AsyncGenerator<readonly CallRow[], { readonly odd: number }> {
  const pairs = new CallPairs();
  for await (const file of filesOf(source)) {
    for await (const lines of linesOf(file.pieces(() => false))) {
      const rows = lines.map((line) => pairs.line(line)).filter((row) => row !== undefined);
      yield rows.filter((row) => passes(row, filter));
    }
  }
  yield [...pairs.rest()].filter((row) => passes(row, filter));
  return { odd: pairs.odd };
}

const asked = ['id', 'caller', 'tenant', 'operation', 'outcome', 'reason'] as const;

function passes(row: CallRow, filter: CallFilter): boolean {
  const { since, until } = filter;
  if (!asked.every((name) => filter[name] === undefined || row[name] === filter[name])) return false;
  if (since === undefined && until === undefined) return true;
  const time = Date.parse(row.time);
  return time >= (since ?? Number.NEGATIVE_INFINITY) && time <= (until ?? Number.POSITIVE_INFINITY);
}

interface OpenFile {
  readonly name: string;
  /** What is in it. Where a daemon may be writing it, its end is waited for as long as `isOpen`. */
  pieces(isOpen: () => boolean): AsyncIterable<Buffer>;
}

/** The files of a chain, the oldest first, each open until the next is asked for. */
async function* filesOf(source: AuditSource): AsyncGenerator<OpenFile> {
  if (source.kind === 'input') {
    yield { name: 'standard input', pieces: () => source.input };
    return;
  }
  const path = (await isFolder(source.path)) ? await chainIn(source.path) : source.path;
  if (parseFullPath(path) !== undefined) {
    await using handle = await opened(path);
    yield fullFile(path, handle);
    return;
  }
  // The newest comes last and is opened first: a daemon that moves on to a new file takes nothing away then.
  await using newest = await open(path).catch(() => undefined);
  const before = await fullFiles(path).catch((error) => {
    throw unreadable(path, error);
  });
  if (newest === undefined && before.length === 0) throw unreadable(path, { code: 'ENOENT' });
  const newestId = (await newest?.stat())?.ino;
  for (const { path: name } of before) {
    await using handle = await opened(name);
    if ((await handle.stat()).ino === newestId) break;
    yield fullFile(name, handle);
  }
  if (newest !== undefined) yield { name: path, pieces: (isOpen) => piecesOf(newest, path, isOpen) };
}

function fullFile(name: string, handle: FileHandle): OpenFile {
  return { name, pieces: () => piecesOf(handle, name, () => false) };
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** The path of the one chain in a folder. */
async function chainIn(folder: string): Promise<string> {
  const names = await readdir(folder).catch((error) => {
    throw unreadable(folder, error);
  });
  const own = names.filter((name) => !/\.(?:lock|next)$/.test(name));
  const chains = [...new Set(own.map((name) => parseFullPath(name)?.chain ?? name))];
  const [chain] = chains;
  if (chain === undefined) throw new StartupError(`cannot read an audit log in ${folder}: the folder is empty`);
  if (chains.length > 1) {
    throw new StartupError(
      `cannot tell which audit log in ${folder} is meant; name one of ${chains.sort().join(', ')}`,
    );
  }
  return join(folder, chain);
}

/** A block may be seen half written: the end of a file is looked at again for a while where `isOpen`. */
async function* piecesOf(handle: FileHandle, name: string, isOpen: () => boolean): AsyncGenerator<Buffer> {
  const bytes = Buffer.allocUnsafe(pieceBytes);
  let waitedMs = 0;
  for (;;) {
    const { bytesRead } = await handle.read(bytes, 0, pieceBytes, null).catch((error) => {
      throw unreadable(name, error);
    });
    if (bytesRead > 0) yield bytes.subarray(0, bytesRead);
    else if (!isOpen() || waitedMs >= sealWaitMs) return;
    else {
      waitedMs += lookMs;
      await pause(systemClock, lookMs);
    }
  }
}

function unreadable(path: string, error: unknown): StartupError {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown reason';
  return new StartupError(`cannot read the audit log ${path}: ${code}`, error);
}
