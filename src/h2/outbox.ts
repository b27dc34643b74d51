/**
 * Output of one connection: frames are written into blocks, and what has gathered in a turn of the event loop goes to
 * the socket in one write. While a write is under way the next one gathers, so a slow peer gets fewer and larger ones.
 *
 * The kernel may read a block until the write's callback: a block is overwritten then, or once the socket has closed,
 * and never earlier. A peer under back-pressure would get zeros.
 */
import type { Socket } from 'node:net';
import { type Block, returnBlock, takeBlock } from './blocks.ts';

export class Outbox {
  readonly #socket: Socket;
  readonly #onWritten: () => void;
  /** Blocks that gather. */
  #gathering: Block[] = [];
  #last: Block | undefined;
  /** Blocks whose write is under way. */
  #writing: Block[] = [];
  #waiting = 0;
  #isScheduled = false;
  #isClosed = false;
  /** To be called once all has been written: nothing comes after it. */
  #ended: (() => void) | undefined;

  /** `onWritten` is called after each write that the kernel has taken. */
  constructor(socket: Socket, onWritten: () => void) {
    this.#socket = socket;
    this.#onWritten = onWritten;
    socket.once('close', () => this.#close());
  }

  /** Bytes that the kernel has not taken yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Room for `size` bytes, which the caller fills at once: they begin at `used - size` of the block. They go out at the
   * end of the turn.
   */
  reserve(size: number): Block {
    let block = this.#last;
    if (block === undefined || block.bytes.length - block.used < size) {
      block = takeBlock(size);
      this.#gathering.push(block);
      this.#last = block;
    }
    block.used += size;
    this.#waiting += size;
    if (!this.#isScheduled && this.#writing.length === 0) {
      this.#isScheduled = true;
      setImmediate(() => this.flush());
    }
    return block;
  }

  /** Takes the last `reserve` back, with what was written into it: the rest of it could not be. */
  takeBack(block: Block, size: number): void {
    block.used -= size;
    block.bytes.fill(0, block.used, block.used + size);
    this.#waiting -= size;
  }

  /** Drops what has gathered, and all that comes: nobody will read it. */
  drop(): void {
    this.#isClosed = true;
    this.#wipeGathered();
  }

  /** Ends the socket, and calls `ended`, once all that has gathered is written. */
  end(ended: () => void): void {
    this.#ended = ended;
    this.flush();
    this.#endIfWritten();
  }

  /** Hands everything that has gathered to the socket, unless a write is under way. */
  flush(): void {
    this.#isScheduled = false;
    if (this.#isClosed) this.#wipeGathered();
    if (this.#writing.length > 0 || this.#gathering.length === 0) return;
    const blocks = this.#gathering;
    this.#writing = blocks;
    this.#gathering = [];
    this.#last = undefined;
    const isOne = blocks.length === 1;
    if (!isOne) this.#socket.cork();
    blocks.forEach((block, at) => {
      const bytes = block.bytes.subarray(0, block.used);
      if (at < blocks.length - 1) this.#socket.write(bytes);
      else this.#socket.write(bytes, () => this.#written(blocks));
    });
    if (!isOne) this.#socket.uncork();
  }

  #written(blocks: Block[]): void {
    // A destroyed socket calls back at once, while the kernel may still read: `close` comes later.
    if (this.#writing !== blocks || this.#socket.destroyed) return;
    this.#writing = [];
    for (const block of blocks) this.#release(block);
    this.flush();
    this.#endIfWritten();
    this.#onWritten();
  }

  #endIfWritten(): void {
    if (this.#ended === undefined || this.#writing.length > 0) return;
    const ended = this.#ended;
    this.#ended = undefined;
    this.#isClosed = true;
    this.#socket.end();
    ended();
  }

  #close(): void {
    this.#isClosed = true;
    const blocks = this.#writing;
    this.#writing = [];
    for (const block of blocks) this.#release(block);
    this.#wipeGathered();
  }

  #wipeGathered(): void {
    const blocks = this.#gathering;
    this.#gathering = [];
    this.#last = undefined;
    for (const block of blocks) this.#release(block);
  }

  #release(block: Block): void {
    this.#waiting -= block.used;
    returnBlock(block);
  }
}
