/** One connection through the fault proxy: two sockets, and what crosses between them in each direction. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the network does to every connection. */
export type TcpMode =
  | { readonly kind: 'pass' }
  /** Everything arrives this much later, each way. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Connections are reset, new ones as soon as they stand. */
  | { readonly kind: 'reset' }
  /** Requests arrive, answers do not. */
  | { readonly kind: 'half-open' }
  /** Connections stand, and nothing is read from either end. */
  | { readonly kind: 'blackhole' }
  /** Answers arrive byte by byte. */
  | { readonly kind: 'trickle'; readonly msPerByte: number }
  /** Connections are reset, and nobody listens for new ones. */
  | { readonly kind: 'refuse' };

/** The mode in force, and the signal that is aborted when another comes. */
export interface Weather {
  readonly mode: TcpMode;
  readonly over: AbortSignal;
}

type Direction = 'request' | 'answer';

/** Takes the accepted connection `client` over and connects it with the target. It ends when either side ends. */
export class TcpLink {
  readonly #client: Socket;
  readonly #target: Socket;
  readonly #weather: () => Weather;

  constructor(client: Socket, options: { host: string; port: number; weather: () => Weather }) {
    const { host, port, weather } = options;
    this.#weather = weather;
    this.#client = client;
    this.#target = connect({ host, port, noDelay: true, allowHalfOpen: true });
    this.#join(this.#client, this.#target, 'request');
    this.#join(this.#target, this.#client, 'answer');
    this.follow();
  }

  /** Does at once what the mode in force means for a connection that stands. */
  follow(): void {
    const { mode } = this.#weather();
    if (mode.kind === 'reset' || mode.kind === 'refuse') this.reset();
    for (const [socket, direction] of [
      [this.#client, 'request'],
      [this.#target, 'answer'],
    ] as const) {
      if (isStopped(mode, direction)) socket.pause();
      else socket.resume();
    }
  }

  /** Ends both connections as a machine does that has lost its memory of them. */
  reset(): void {
    this.#client.resetAndDestroy();
    this.#target.resetAndDestroy();
  }

  #join(from: Socket, to: Socket, direction: Direction): void {
    // One after the other, whatever the mode was when each arrived.
    let last = Promise.resolve();
    const inOrder = (run: () => Promise<unknown>) => {
      last = last.then(run).then(() => {});
    };
    from.on('data', (chunk: Buffer) => {
      const arrived = performance.now();
      inOrder(() => this.#carry(chunk, to, { direction, arrived }));
    });
    from.on('end', () => inOrder(async () => to.end()));
    from.on('error', () => this.reset());
    from.on('close', () => inOrder(async () => to.destroySoon()));
  }

  /** Hands `chunk` on as the mode wants it. What a mode stops arrives late, as after any other broken cable. */
  async #carry(chunk: Buffer, to: Socket, part: { direction: Direction; arrived: number }): Promise<void> {
    for (let at = 0; at < chunk.length && !to.destroyed; ) {
      const { mode, over } = this.#weather();
      const late = mode.kind === 'delay' ? part.arrived + mode.ms - performance.now() : 0;
      if (isStopped(mode, part.direction)) await untilOver(over);
      else if (late > 0) await pause(late, over);
      else if (mode.kind === 'trickle' && part.direction === 'answer') {
        to.write(chunk.subarray(at, at + 1));
        at += 1;
        await pause(mode.msPerByte, over);
      } else {
        to.write(chunk.subarray(at));
        at = chunk.length;
      }
    }
  }
}

function isStopped(mode: TcpMode, direction: Direction): boolean {
  return mode.kind === 'blackhole' || (mode.kind === 'half-open' && direction === 'answer');
}

async function untilOver(over: AbortSignal): Promise<void> {
  if (!over.aborted) await once(over, 'abort');
}

/** Waits, but no longer than the mode is in force. */
async function pause(milliseconds: number, over: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal: over }).catch(() => {});
}
