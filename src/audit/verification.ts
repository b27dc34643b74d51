/**
 * Checks a chain line by line: that what was sealed is what is there, in the order in which it was written, and that
 * nothing is missing between the first block and the last. It cannot know what followed the last: whoever wants to
 * find an end that was cut off keeps the hash of a block elsewhere and asks for it.
 */
import { createHash, type Hash } from 'node:crypto';
import type { ChainEnd } from './output.ts';
import { linePrefix, noHash, parseSeal, type Seal, sealPrefix } from './seal.ts';

export interface VerificationOptions {
  /** The block that the chain begins with, where older ones were deleted. */
  readonly from?: number;
  /** A hash that a block of the chain must have. */
  readonly holds?: string;
  /** Whether a new chain may begin after another, as in the standard output of a process that was started again. */
  readonly restarts?: boolean;
}

/** Where the chain is broken. */
export interface ChainFault {
  readonly file: string;
  /** From 1; of the line that ends the broken block, or of the first line that is not sealed. */
  readonly line: number;
  readonly what: string;
}

/** What was found. */
export interface ChainReport {
  readonly entries: number;
  readonly blocks: number;
  readonly firstBlock: number | undefined;
  readonly last: ChainEnd | undefined;
  /** The times of the first and the last entry, as written. */
  readonly firstTime: string | undefined;
  readonly lastTime: string | undefined;
  /** Chains that follow each other. */
  readonly chains: number;
  /** Blocks that were sealed by a later process. */
  readonly recoveredBlocks: number;
  /** Entries that were never written, as the log itself tells. */
  readonly lostEntries: number;
  /** Lines that are not of the log. */
  readonly otherLines: number;
  /** The first hundred. */
  readonly faults: readonly ChainFault[];
  readonly faultCount: number;
}

const mostFaults = 100;
const entryForm = /^\{"audit":1,"seq":(\d{1,15}),"time":"([^"]{20,30})",.*\}$/;
const lostForm = /^\{"audit":1,"lost":(\d{1,15}),.*\}$/;

/** Lines since the last seal. */
class OpenBlock {
  readonly hash: Hash = createHash('sha256');
  readonly firstLine: number;
  entries = 0;
  lines = 0;
  /** The number of the first entry. */
  first: number | undefined;
  last: number | undefined;
  /** The first entry that does not follow the one before it. */
  jump: { readonly after: number; readonly found: number } | undefined;
  oddLine: number | undefined;

  constructor(firstLine: number) {
    this.firstLine = firstLine;
  }

  entry(number: number): void {
    if (this.last !== undefined && number !== this.last + 1) this.jump ??= { after: this.last, found: number };
    this.first ??= number;
    this.last = number;
    this.entries += 1;
  }
}

export class Verification {
  readonly #options: VerificationOptions;
  #file = '';
  #line = 0;
  #open: OpenBlock | undefined;
  #end: ChainEnd | undefined;
  #firstBlock: number | undefined;
  #holds: boolean;
  readonly #times: { first?: string; last?: string } = {};
  readonly #faults: ChainFault[] = [];
  readonly #counts = { entries: 0, blocks: 0, chains: 0, recoveredBlocks: 0, lostEntries: 0, otherLines: 0, faults: 0 };

  constructor(options: VerificationOptions = {}) {
    this.#options = options;
    this.#holds = options.holds === undefined;
  }

  /** Whether there are lines that wait for their seal. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** What follows is of this file. A block does not go on in the next one. */
  file(name: string): void {
    this.#endOfFile();
    this.#file = name;
    this.#line = 0;
  }

  /** The next line, without its newline. */
  line(text: string): void {
    this.#line += 1;
    if (!text.startsWith(linePrefix)) {
      this.#counts.otherLines += 1;
      return;
    }
    const seal = text.startsWith(sealPrefix) ? parseSeal(text) : undefined;
    this.#open ??= new OpenBlock(this.#line);
    if (seal !== undefined) this.#sealed(text, seal, this.#open);
    else this.#covered(text, this.#open);
  }

  /** There is no more. */
  finish(): ChainReport {
    this.#endOfFile();
    if (this.#counts.blocks === 0) this.#fault(1, 'there is no block of an audit log in it');
    else if (!this.#holds)
      this.#fault(this.#line, 'no block has the hash that was asked for: blocks at the end are gone');
    const { faults, ...counts } = this.#counts;
    return {
      ...counts,
      ...{ firstBlock: this.#firstBlock, last: this.#end },
      ...{ firstTime: this.#times.first, lastTime: this.#times.last },
      ...{ faults: this.#faults, faultCount: faults },
    };
  }

  #covered(text: string, block: OpenBlock): void {
    block.hash.update(`${text}\n`, 'latin1');
    block.lines += 1;
    const [, number, time] = entryForm.exec(text) ?? [];
    const lost = number === undefined ? lostForm.exec(text)?.[1] : undefined;
    if (lost !== undefined) this.#counts.lostEntries += Number(lost);
    else if (number === undefined) block.oddLine ??= this.#line;
    else {
      block.entry(Number(number));
      this.#counts.entries += 1;
      this.#times.first ??= time ?? '';
      this.#times.last = time ?? '';
    }
  }

  #sealed(text: string, seal: Seal, block: OpenBlock): void {
    const found = block.hash.update(text.slice(0, text.lastIndexOf(seal.hash)), 'latin1').digest('hex');
    const wrong = this.#wrongPlace(seal) ?? wrongLines(seal, block, found) ?? this.#wrongNumber(seal, block);
    if (wrong !== undefined) {
      this.#fault(this.#line, `block ${seal.block} (from line ${block.firstLine} on): ${wrong}`);
    }
    this.#firstBlock ??= seal.block;
    this.#counts.blocks += 1;
    if (seal.recovered) this.#counts.recoveredBlocks += 1;
    if (seal.hash === this.#options.holds) this.#holds = true;
    this.#end = seal;
    this.#open = undefined;
  }

  /** What is wrong with where the block stands. */
  #wrongPlace(seal: Seal): string | undefined {
    const isFirst = seal.block === 1 && seal.prev === noHash;
    const end = this.#end;
    if (end === undefined) {
      this.#counts.chains = 1;
      const { from } = this.#options;
      if (from === undefined ? isFirst : seal.block === from) return undefined;
      return from === undefined
        ? `the chain begins with it, the blocks before are gone; --from ${seal.block} where they were deleted as they should`
        : `the chain begins with it and not with block ${from}`;
    }
    if (isFirst && this.#options.restarts) {
      this.#counts.chains += 1;
      this.#end = { block: 0, seq: 0, hash: noHash };
      return undefined;
    }
    if (seal.block > end.block + 1) return `it follows block ${end.block}; what was between them is gone`;
    if (seal.block <= end.block) return `it follows block ${end.block}; it was moved or repeated`;
    return seal.prev === end.hash ? undefined : `it was sealed after another block ${end.block} than the one before it`;
  }

  /** What is wrong with how its entries follow those of the block before. */
  #wrongNumber(seal: Seal, block: OpenBlock): string | undefined {
    const before = this.#end?.seq ?? seal.seq - seal.entries;
    if ((block.first ?? before + 1) !== before + 1) return `entry ${block.first} follows entry ${before}`;
    return (block.last ?? before) === seal.seq ? undefined : `its seal names entry ${seal.seq} as its last`;
  }

  #endOfFile(): void {
    const block = this.#open;
    this.#open = undefined;
    if (block === undefined) return;
    this.#fault(
      block.firstLine,
      `${block.lines} lines from here on are not sealed: their seal was cut off, or the process was killed as it wrote ` +
        'and seals them when it is started again',
    );
  }

  #fault(line: number, what: string): void {
    this.#counts.faults += 1;
    if (this.#faults.length < mostFaults) this.#faults.push({ file: this.#file, line, what });
  }
}

/** What is wrong with the lines of a block. */
function wrongLines(seal: Seal, block: OpenBlock, found: string): string | undefined {
  if (block.jump !== undefined) return `entry ${block.jump.found} follows entry ${block.jump.after}`;
  if (block.entries !== seal.entries) return `it has ${block.entries} entries and was sealed with ${seal.entries}`;
  if (found !== seal.hash) return 'its lines are not those that were sealed; one was changed, added or removed';
  if (block.oddLine !== undefined && !seal.recovered) return `line ${block.oddLine} is no entry`;
  return undefined;
}
