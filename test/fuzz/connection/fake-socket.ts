/**
 * A socket without a kernel, as far as a connection uses one, which behaves as Node's does: a write calls back in a
 * later turn and may be read until then; after the end nothing can be written; what is destroyed calls back before it
 * closes.
 */
import type { Socket } from 'node:net';
import { Fault } from '../engine/target.ts';
import type { Loop } from './loop.ts';

interface Write {
  readonly bytes: Buffer;
  /** What was in it when it was written. */
  readonly copy: Buffer;
  readonly done: ((error?: Error) => void) | undefined;
}

type Listener = (argument?: Buffer | Error) => void;
type Event = 'data' | 'end' | 'close' | 'error';

export class FakeSocket {
  destroyed = false;
  /** Whether this side has ended: nothing may be written any more. */
  isEnded = false;
  isClosed = false;
  /** The peer reads nothing. */
  isStalled = false;
  wasPaused = false;
  /** Without it, Node ends this side once the other has. */
  allowHalfOpen = false;
  /** All that was written, to see afterwards that it was overwritten. */
  readonly blocks: Buffer[] = [];
  /** What the connection did wrong: it is not told by exceptions, which are the connection's own. */
  readonly faults: Fault[] = [];
  readonly #loop: Loop;
  readonly #onOutput: (bytes: Buffer) => void;
  readonly #listeners: Record<Event, Listener[]> = { data: [], end: [], close: [], error: [] };
  #writes: Write[] = [];
  #isPaused = false;
  #incoming: (Buffer | 'end')[] = [];
  #hasPeerEnded = false;
  /** Node ended this side, and not the connection. */
  #wasEnded = false;
  #isScheduled = false;

  constructor(loop: Loop, onOutput: (bytes: Buffer) => void) {
    this.#loop = loop;
    this.#onOutput = onOutput;
  }

  /** As what a connection takes: it uses no other members. */
  get asSocket(): Socket {
    return this as unknown as Socket;
  }

  on(event: Event, listener: Listener): this {
    this.#listeners[event].push(listener);
    return this;
  }

  once(event: Event, listener: Listener): this {
    return this.on(event, listener);
  }

  write(bytes: Buffer, done?: (error?: Error) => void): boolean {
    if (this.isEnded && !this.#wasEnded) {
      this.faults.push(new Fault('the connection writes after it has ended its socket'));
    }
    if (this.isEnded) this.destroy();
    if (this.destroyed) return false;
    this.blocks.push(bytes);
    this.#writes.push({ bytes, copy: Buffer.from(bytes), done });
    this.#schedule();
    return false;
  }

  cork(): void {}

  uncork(): void {}

  setNoDelay(): this {
    return this;
  }

  end(): this {
    this.isEnded = true;
    this.#schedule();
    return this;
  }

  destroy(): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.#incoming = [];
    this.#schedule();
    return this;
  }

  pause(): this {
    this.#isPaused = true;
    this.wasPaused = true;
    return this;
  }

  resume(): this {
    this.#isPaused = false;
    this.#loop.soon(() => this.#deliver());
    return this;
  }

  isPaused(): boolean {
    return this.#isPaused;
  }

  // What the peer does.

  /** Bytes come, or the peer's end. They wait while the socket is paused. */
  receive(what: Buffer | 'end'): void {
    if (this.destroyed || this.#hasPeerEnded) return;
    this.#incoming.push(what);
    this.#deliver();
  }

  /** The peer reads again. */
  unstall(): void {
    this.isStalled = false;
    this.#schedule();
  }

  /** The network breaks. */
  break(): void {
    this.#emit('error', new Error('ECONNRESET'));
    this.destroy();
  }

  #deliver(): void {
    while (!this.#isPaused && !this.destroyed) {
      const next = this.#incoming.shift();
      if (next === undefined) return;
      if (next === 'end') this.#end();
      else this.#emit('data', next);
    }
  }

  #end(): void {
    this.#hasPeerEnded = true;
    this.#emit('end');
    if (this.allowHalfOpen || this.isEnded) return;
    this.#loop.soon(() => {
      this.#wasEnded = !this.isEnded;
      this.end();
    });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#loop.soon(() => {
      this.#isScheduled = false;
      this.#work();
    });
  }

  /** What the kernel would do: takes what was written, and closes what has ended on both sides. */
  #work(): void {
    if (this.isClosed) return;
    const writes = this.#writes;
    if (this.destroyed) {
      this.#writes = [];
      for (const { done } of writes) done?.(new Error('ECANCELED'));
      this.isClosed = true;
      this.#emit('close');
      return;
    }
    if (this.isStalled) return;
    this.#writes = [];
    for (const { bytes, copy, done } of writes) {
      if (!bytes.equals(copy))
        this.faults.push(new Fault('what was written was changed before the kernel had read it'));
      this.#onOutput(copy);
      done?.();
    }
    if (this.isEnded && this.#hasPeerEnded && this.#writes.length === 0) this.destroy();
  }

  #emit(event: Event, argument?: Buffer | Error): void {
    for (const listener of this.#listeners[event]) listener(argument);
  }
}
