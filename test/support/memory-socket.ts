/** A socket in memory: the test is its peer, and decides when the kernel has taken what was written. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

export class MemorySocket extends Duplex {
  /** What was written, as it was at that time: one entry for each time that the kernel was handed something. */
  readonly writes: Buffer[] = [];
  /** The same, as the very bytes that the kernel would read from. */
  readonly handed: Buffer[] = [];
  /** Whether the server has ended its side. */
  isEnded = false;
  #isHolding = false;
  #held: ((error?: Error | null) => void) | undefined;

  constructor() {
    // As `net.createServer` has it.
    super({ allowHalfOpen: false, autoDestroy: true });
  }

  /** For code that takes a socket; it uses what this class has, and no more. */
  get asSocket(): Socket {
    return this as unknown as Socket;
  }

  /** From now on the kernel takes nothing, though it may read what it was handed. */
  hold(): void {
    this.#isHolding = true;
  }

  /** The kernel has taken what it was handed; `hold` stays in force unless `all` is asked for. */
  drain(all: 'all' | '' = ''): void {
    if (all === 'all') this.#isHolding = false;
    const done = this.#held;
    this.#held = undefined;
    done?.();
  }

  /** The peer sends a chunk, or its end. */
  receive(chunk: Buffer | null): void {
    this.push(chunk);
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#handed([chunk], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#handed(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: (error?: Error | null) => void): void {
    this.isEnded = true;
    done();
  }

  #handed(chunks: Buffer[], done: (error?: Error | null) => void): void {
    this.writes.push(Buffer.concat(chunks));
    this.handed.push(...chunks);
    if (this.#isHolding) this.#held = done;
    else done();
  }
}

/** Lets all that was begun in this turn of the event loop, and in those that follow from it, come to rest. */
export async function settled(): Promise<void> {
  for (let turns = 0; turns < 4; turns++) await new Promise((done) => setImmediate(done));
}
