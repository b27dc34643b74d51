/**
 * Writes blocks one after the other: while one is on its way the next one gathers, so that a call waits for two writes
 * at most, and many calls share one. Knows when the sink fails, what is said to those who wait then, and that it works
 * again.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Clock, pause, type Timer } from '../base/clock.ts';
import { KeyproxyError } from '../base/errors.ts';
import { codeOf } from '../base/system-code.ts';
import { Block, blockMemory } from './block.ts';
import type { AuditAlarm } from './failure.ts';
import type { ChainEnd, Output } from './output.ts';
import { blockHash, linePrefix, sealEnd, sealHead } from './seal.ts';

/** What happens to calls while nothing can be written: they fail, or they go on and the log has a gap that says so. */
export type OnFailure = 'refuse' | 'continue';

export interface WriterOptions {
  readonly onFailure: OnFailure;
  readonly clock: Clock;
  readonly onAlarm: (alarm: AuditAlarm) => void;
}

/** More bytes than this never wait for the sink. */
export const mostWaitingBytes = 64 * 2 ** 20;

/** A failing sink is tried again after this long, in milliseconds. */
export const retryMs = 1_000;

/** A write that takes longer than this counts as failing, in milliseconds. */
export const stallMs = 5_000;

/** Between two attempts at a sink that has no room for now, in milliseconds. */
const busyMs = 5;

/** Memory of blocks that is kept for the next ones. */
const mostSpares = 4;

type Health =
  | { readonly kind: 'well' }
  /** `verdict` is what whoever waits is told: a yes where calls go on. */
  | {
      readonly kind: 'failing';
      readonly since: number;
      readonly error: KeyproxyError;
      readonly verdict: Promise<void>;
    };

const well: Health = { kind: 'well' };

export class ChainWriter implements AsyncDisposable {
  readonly #output: Output;
  readonly #options: WriterOptions;
  readonly #closing = new AbortController();
  #gathering = new Block(blockMemory());
  /** Full blocks. */
  readonly #queue: Block[] = [];
  #underWrite: Block | undefined;
  readonly #spares: Buffer<ArrayBuffer>[] = [];
  #end: ChainEnd;
  #health: Health = well;
  #pumping: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  /** Bytes of blocks that gather no more. */
  #waiting = 0;
  #busySince: number | undefined;
  #watch: Timer | undefined;
  #lostHere = 0;
  written = 0;
  blocks = 0;
  bytes = 0;
  lost = 0;

  constructor(output: Output, options: WriterOptions) {
    this.#output = output;
    this.#options = options;
    this.#end = output.end;
  }

  get isFailing(): boolean {
    return this.#health.kind === 'failing';
  }

  get waitingBytes(): number {
    return this.#waiting + this.#gathering.size;
  }

  /** The error for calls that may not begin; undefined where they may. */
  get refusal(): KeyproxyError | undefined {
    return this.#health.kind === 'failing' && this.#options.onFailure === 'refuse' ? this.#health.error : undefined;
  }

  /** The block that takes the next line; undefined where the line is lost. */
  open(): Block | undefined {
    if (this.#gathering.isFull) this.#gatherAnew();
    if (this.waitingBytes >= mostWaitingBytes || this.#closing.signal.aborted) {
      this.#fail(this.#closing.signal.aborted ? 'CLOSED' : 'FULL');
      this.lost += 1;
      this.#lostHere += 1;
      return undefined;
    }
    return this.#gathering;
  }

  /** After a line was added to the open block, or was lost: settles when all lines so far are written. */
  added(): Promise<void> {
    this.#pumping ??= this.#pump();
    return this.#health.kind === 'failing' ? this.#health.verdict : this.#gathering.written;
  }

  /** Writes what waits, as far as the sink takes it within five seconds, and closes; once. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort(new Error('the audit log is closed'));
    if (this.#gathering.size > 0) this.#pumping ??= this.#pump();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    using _ = this.#options.clock.after(stallMs, resolve);
    await Promise.race([this.#pumping, late]);
    this.#fail('CLOSED');
    this.#watch?.[Symbol.dispose]();
    await this.#output[Symbol.asyncDispose]();
  }

  async #pump(): Promise<void> {
    // What comes in this turn of the loop is one block.
    for (await nextTurn(); this.#take(); await nextTurn()) {
      const block = this.#underWrite;
      if (block === undefined) break;
      const end = await this.#seal(block);
      if (!(await this.#deliver(block))) return;
      this.#done(block, end);
      await this.#output.between(end);
    }
    this.#pumping = undefined;
  }

  #take(): boolean {
    if (this.#queue.length === 0 && this.#gathering.size > 0) this.#gatherAnew();
    this.#underWrite = this.#queue.shift();
    return this.#underWrite !== undefined;
  }

  #gatherAnew(): void {
    this.#gathering.close();
    this.#waiting += this.#gathering.length;
    this.#queue.push(this.#gathering);
    this.#gathering = new Block(this.#spares.pop() ?? blockMemory());
  }

  async #seal(block: Block): Promise<ChainEnd> {
    const { block: before, seq: seqBefore, hash: prev } = this.#end;
    const [number, seq, length] = [before + 1, block.seq ?? seqBefore, block.length];
    block.addText(sealHead({ block: number, entries: block.entries, seq, recovered: false, prev }));
    const found = blockHash(block.bytes);
    const hash = typeof found === 'string' ? found : await found;
    block.addText(`${hash}${sealEnd}`);
    this.#waiting += block.length - length;
    return { block: number, seq, hash };
  }

  /** Writes a block to its end; whether it could, which it tries until the log is closed. */
  async #deliver(block: Block): Promise<boolean> {
    const { bytes } = block;
    const { signal } = this.#closing;
    this.#busy();
    for (let sent = 0; sent < bytes.length; ) {
      try {
        sent += await this.#output.write(bytes, sent);
      } catch (error) {
        const cause = codeOf(error);
        if (cause !== 'EAGAIN') this.#fail(cause);
        if (cause !== 'EAGAIN' && signal.aborted) return false;
        await (cause === 'EAGAIN'
          ? pause(this.#options.clock, busyMs)
          : pause(this.#options.clock, retryMs, signal).catch(() => {}));
      }
    }
    this.#busySince = undefined;
    return true;
  }

  #done(block: Block, end: ChainEnd): void {
    this.#end = end;
    this.#underWrite = undefined;
    this.#waiting -= block.length;
    this.written += block.entries;
    this.blocks += 1;
    this.bytes += block.length;
    block.settle();
    if (this.#spares.length < mostSpares) this.#spares.push(block.memory);
    if (this.#health.kind === 'failing' && this.waitingBytes <= mostWaitingBytes / 2) this.#restore(this.#health.since);
  }

  #fail(cause: string): void {
    if (this.#health.kind === 'failing') return;
    const { onFailure, clock, onAlarm } = this.#options;
    const error = new KeyproxyError('AUDIT_UNAVAILABLE', { retryAfterMs: retryMs, cause });
    const told = onFailure === 'refuse' ? error : undefined;
    const verdict = told === undefined ? Promise.resolve() : Promise.reject(told);
    verdict.catch(() => {});
    this.#health = { kind: 'failing', since: clock.monotonic(), error, verdict };
    for (const block of [this.#underWrite, ...this.#queue, this.#gathering]) block?.settle(told);
    if (cause !== 'CLOSED') onAlarm({ kind: 'failing', cause });
  }

  #restore(since: number): void {
    const { clock, onAlarm } = this.#options;
    const lost = this.#lostHere;
    this.#health = well;
    this.#lostHere = 0;
    if (this.#gathering.isSettled) this.#gatherAnew();
    if (lost > 0) {
      const time = new Date(clock.now()).toISOString();
      this.#gathering.addText(`${linePrefix}"lost":${lost},"time":"${time}"}\n`);
    }
    onAlarm({ kind: 'restored', lost, milliseconds: clock.monotonic() - since });
  }

  /** A write begins: somebody looks whether it ends. One timer serves all writes of its time. */
  #busy(): void {
    this.#busySince = this.#options.clock.monotonic();
    this.#watch ??= this.#options.clock.after(stallMs, () => this.#look());
  }

  #look(): void {
    this.#watch = undefined;
    if (this.#busySince === undefined) return;
    const age = this.#options.clock.monotonic() - this.#busySince;
    if (age >= stallMs) this.#fail('STALLED');
    else this.#watch = this.#options.clock.after(stallMs - age, () => this.#look());
  }
}
