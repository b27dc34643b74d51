/**
 * The line that ends a block of the log. What is written together is a block: lines, and a seal over them.
 *
 *     {"audit":1,"seq":41, …}
 *     {"audit":1,"seq":42, …}
 *     {"audit":1,"seal":{"block":7,"entries":2,"seq":42,"prev":"<hash of block 6>","hash":"<64 hex digits>"}}
 *
 * The hash is SHA-256 over every byte of the block before the hash itself: its lines with their newlines, and the
 * beginning of the seal up to `"hash":"`. So it covers the seal's own words, and by `prev` every block before it. Lines
 * that do not begin with `{"audit":1,` belong to others and are never covered.
 */
import { hash, subtle } from 'node:crypto';

/** How every line of the log begins, and no line of others. */
export const linePrefix = '{"audit":1,';

/** How a seal begins. */
export const sealPrefix = `${linePrefix}"seal":`;

/** What follows the hash. */
export const sealEnd = '"}}\n';

/** What stands for the hash of a block before the first. */
export const noHash = '0'.repeat(64);

/** What a seal says beside its hash. */
export interface SealWords {
  /** Counts blocks from 1 over the life of the chain. */
  readonly block: number;
  /** How many entries are in the block. */
  readonly entries: number;
  /** Of the last entry in the chain so far; 0 before the first. */
  readonly seq: number;
  /** Whether an earlier process wrote these lines and was killed before it could seal them. */
  readonly recovered: boolean;
  /** The hash of the block before. */
  readonly prev: string;
}

export interface Seal extends SealWords {
  readonly hash: string;
}

/** A seal up to its hash. */
export function sealHead({ block, entries, seq, recovered, prev }: SealWords): string {
  const mark = recovered ? '"recovered":true,' : '';
  return `${sealPrefix}{"block":${block},"entries":${entries},"seq":${seq},${mark}"prev":"${prev}","hash":"`;
}

const form =
  /^\{"audit":1,"seal":\{"block":(\d{1,15}),"entries":(\d{1,15}),"seq":(\d{1,15}),("recovered":true,)?"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\}$/;

/** Reads a line without its newline; undefined where it is no seal, to the last byte. */
export function parseSeal(line: string): Seal | undefined {
  const [, block, entries, seq, mark, prev, hash] = form.exec(line) ?? [];
  if (prev === undefined || hash === undefined) return undefined;
  return {
    ...{ block: Number(block), entries: Number(entries), seq: Number(seq) },
    ...{ recovered: mark !== undefined, prev, hash },
  };
}

/**
 * Up to this many bytes a hash costs the loop less than handing them to the thread pool does, which copies them and
 * wakes a thread (measured with SHA extensions: as much at 32 KiB, a quarter less of the whole log's cost at 150 KiB).
 */
const quickBytes = 32 * 1024;

/** SHA-256 in hex; off the loop where the bytes are many. */
export function blockHash(bytes: Uint8Array<ArrayBuffer>): string | Promise<string> {
  if (bytes.length <= quickBytes) return hash('sha256', bytes, 'hex');
  return subtle.digest('SHA-256', bytes).then((digest) => Buffer.from(digest).toString('hex'));
}
