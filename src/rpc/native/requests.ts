/** The messages of a caller who sends many: taken by the handler at its own pace. */

/** A message as it came, or what decompresses it once somebody wants it. */
type Message = Buffer | (() => Promise<Buffer>);

type Waiter = PromiseWithResolvers<IteratorResult<Buffer>>;

/** What a message costs beside its own bytes. */
export const costOfOne = 256;
/** Messages that are on hand before the peer is asked to wait, in bytes. */
const enough = 65_536;

export interface RequestsOptions {
  /** Lets the peer send so many bytes more. */
  readonly grant: (bytes: number) => void;
  /** A message of so many bytes, as it came, and with what it costs beside them, is the handler's now. */
  readonly onTaken: (bytes: number) => void;
}

export class Requests implements AsyncIterable<Buffer>, AsyncIterator<Buffer> {
  readonly #options: RequestsOptions;
  readonly #queue: { readonly message: Message; readonly bytes: number }[] = [];
  #queued = 0;
  /** Bytes that the peer has not been allowed anew. */
  #withheld = 0;
  #waiter: Waiter | undefined;
  #end: { readonly error?: unknown } | undefined;

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /** Bytes have come, whether or not they make a message. */
  came(bytes: number): void {
    this.#withheld += bytes;
    this.#grantRest();
  }

  /** A message of `bytes` bytes has come. */
  push(message: Message, bytes: number): void {
    if (this.#end !== undefined) return;
    const waiter = this.#waiter;
    if (waiter === undefined) {
      this.#queue.push({ message, bytes });
      this.#queued += bytes + costOfOne;
      return;
    }
    this.#waiter = undefined;
    this.#hand(waiter, message, bytes);
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
      this.#queued -= first.bytes + costOfOne;
      this.#grantRest();
      this.#hand(waiter, first.message, first.bytes);
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
    this.#options.grant(this.#withheld);
    this.#withheld = 0;
  }

  #hand(waiter: Waiter, message: Message, bytes: number): void {
    this.#options.onTaken(bytes + costOfOne);
    if (typeof message !== 'function') waiter.resolve({ done: false, value: message });
    else message().then((value) => waiter.resolve({ done: false, value }), waiter.reject);
  }
}
