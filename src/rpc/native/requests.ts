/** The messages of a caller who sends many: taken by the handler at its own pace. */

type Waiter = PromiseWithResolvers<IteratorResult<Buffer>>;

/** Messages that are on hand before the peer is asked to wait, in bytes; what each costs beside its own. */
const [enough, costOfOne] = [65_536, 64];

export class Requests implements AsyncIterable<Buffer>, AsyncIterator<Buffer> {
  readonly #grant: (bytes: number) => void;
  readonly #queue: { readonly message: Buffer | Promise<Buffer>; readonly size: number }[] = [];
  #queued = 0;
  /** Bytes that the peer has not been allowed anew. */
  #withheld = 0;
  #waiter: Waiter | undefined;
  #end: { readonly error?: unknown } | undefined;

  /** `grant` lets the peer send so many bytes more. */
  constructor(grant: (bytes: number) => void) {
    this.#grant = grant;
  }

  /** Bytes have come, whether or not they make a message. */
  came(bytes: number): void {
    this.#withheld += bytes;
    this.#grantRest();
  }

  /** A message has come; one that is a promise is being decompressed. */
  push(message: Buffer | Promise<Buffer>, bytes: number): void {
    if (this.#end !== undefined) return;
    const size = bytes + costOfOne;
    if (message instanceof Promise) message.catch(() => {});
    const waiter = this.#waiter;
    if (waiter === undefined) {
      this.#queue.push({ message, size });
      this.#queued += size;
      return;
    }
    this.#waiter = undefined;
    settle(waiter, message);
  }

  /** Nothing comes any more; with an error what is left is not handed out. */
  end(error?: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = error === undefined ? {} : { error };
    if (error !== undefined) this.#queue.length = 0;
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (waiter !== undefined) this.#settleEnd(waiter);
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return this;
  }

  next(): Promise<IteratorResult<Buffer>> {
    const waiter: Waiter = Promise.withResolvers();
    const first = this.#queue.shift();
    if (first !== undefined) {
      this.#queued -= first.size;
      this.#grantRest();
      settle(waiter, first.message);
    } else if (this.#end !== undefined) this.#settleEnd(waiter);
    else this.#waiter = waiter;
    return waiter.promise;
  }

  #settleEnd(waiter: Waiter): void {
    if (this.#end !== undefined && 'error' in this.#end) waiter.reject(this.#end.error);
    else waiter.resolve({ done: true, value: undefined });
  }

  #grantRest(): void {
    if (this.#withheld === 0 || this.#queued >= enough) return;
    this.#grant(this.#withheld);
    this.#withheld = 0;
  }
}

function settle(waiter: Waiter, message: Buffer | Promise<Buffer>): void {
  if (message instanceof Promise) message.then((value) => waiter.resolve({ done: false, value }), waiter.reject);
  else waiter.resolve({ done: false, value: message });
}
