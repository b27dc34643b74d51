/**
 * Sends spans that have ended to a collector, by OTLP over HTTP
 * (https://opentelemetry.io/docs/specs/otlp/#otlphttp), in the background and in batches. Nobody waits for it: the line is
 * bounded, what does not fit and what cannot be sent is dropped and counted, and nothing is sent twice.
 *
 * Not the exporter of OpenTelemetry: its requests and the pauses between its attempts can be neither cut short nor left
 * behind, so a silent collector would hold up the daemon's end (docs/decisions/0014-tracing.md).
 */
import { TraceFlags } from '@opentelemetry/api';
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Clock, Timer } from '../base/clock.ts';

/** What became of spans. */
export type SpanOutcome = 'sent' | 'queue_full' | 'failed';

export interface SpanSenderOptions {
  /** URL of the collector. */
  readonly endpoint: string;
  readonly clock: Clock;
  readonly counted: (outcome: SpanOutcome, spans: number) => void;
  /** Told when the collector takes no spans, with a word for why that holds nothing it said; and when it does again. */
  readonly onChange: (state: 'failing' | 'working', why?: string) => void;
}

/** Spans that wait at most. */
export const maxQueue = 2048;
/** Spans of one request: so few that to write them down holds up no call for longer than about a millisecond. */
export const maxBatch = 128;
/** How long a span waits for others before it is sent, and how long all wait after a failure, in milliseconds. */
const delayMs = 1000;
/** How long one request may take, its answer included, in milliseconds. */
const requestMs = 5000;
/** How long all that is left may take at the end, in milliseconds. */
const lastMs = 1000;

export class SpanSender implements SpanProcessor, AsyncDisposable {
  readonly #options: SpanSenderOptions;
  readonly #queue: ReadableSpan[] = [];
  readonly #end = new AbortController();
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  #isFailing = false;
  #isClosed = false;

  constructor(options: SpanSenderOptions) {
    this.#options = options;
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return;
    if (this.#isClosed || this.#queue.length >= maxQueue) {
      this.#options.counted('queue_full', 1);
      return;
    }
    this.#queue.push(span);
    if (this.#queue.length >= maxBatch && !this.#isFailing) this.#send();
    else this.#sendLater();
  }

  async forceFlush(): Promise<void> {
    this.#send();
    await this.#sending;
  }

  shutdown(): Promise<void> {
    return this[Symbol.asyncDispose]();
  }

  /** Sends what is left, for a second at most; the rest is dropped and counted. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
    using _limit = this.#options.clock.after(lastMs, () => this.#end.abort(new Error('the daemon ends')));
    // A request that is under way may end in a failure, and the rest may not.
    await this.#sending;
    this.#send();
    await this.#sending;
    if (this.#queue.length > 0) this.#options.counted('failed', this.#queue.length);
    this.#queue.length = 0;
  }

  #sendLater(): void {
    if (this.#timer !== undefined || this.#sending !== undefined || this.#isClosed) return;
    this.#timer = this.#options.clock.after(delayMs, () => this.#send());
  }

  #send(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (this.#sending !== undefined || this.#queue.length === 0) return;
    this.#sending = this.#sendAll().finally(() => {
      this.#sending = undefined;
      if (this.#queue.length > 0) this.#sendLater();
    });
  }

  /** One request after the other, until the line is empty or a request has failed. */
  async #sendAll(): Promise<void> {
    const { counted } = this.#options;
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, maxBatch);
      try {
        await this.#post(batch);
        counted('sent', batch.length);
        this.#turned('working');
      } catch (error) {
        counted('failed', batch.length);
        // What the end cuts short says nothing about the collector.
        if (!this.#end.signal.aborted) this.#turned('failing', wordFor(error));
        return;
      }
    }
  }

  async #post(batch: ReadableSpan[]): Promise<void> {
    const body = ProtobufTraceSerializer.serializeRequest(batch);
    if (body === undefined) throw new Error('no spans were written');
    const response = await fetch(this.#options.endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf' },
      body: new Uint8Array(body),
      // Not followed: its status tells.
      redirect: 'manual',
      signal: AbortSignal.any([AbortSignal.timeout(requestMs), this.#end.signal]),
    });
    await response.body?.cancel();
    if (!response.ok) throw new UnexpectedStatus(response.status);
  }

  #turned(state: 'failing' | 'working', why?: string): void {
    const isFailing = state === 'failing';
    if (isFailing === this.#isFailing) return;
    this.#isFailing = isFailing;
    this.#options.onChange(state, why);
  }
}

/** The collector did not take a request. */
class UnexpectedStatus extends Error {
  constructor(status: number) {
    super(`HTTP ${status}`);
    this.name = 'UnexpectedStatus';
  }
}

/** How `fetch` says that it asks no port like this one (https://fetch.spec.whatwg.org/#bad-port). */
const badPort = 'bad port';

/** The system's code of a failure, or what kind it is: never what a collector said. */
function wordFor(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if (error instanceof UnexpectedStatus) return error.message;
  const { cause } = error;
  if (!(cause instanceof Error)) return error.name;
  if (cause.message === badPort) return badPort;
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name;
}
