/**
 * Keeps a tenant's keys shut while one of them is not one that its environment may use. Names and tags are read when
 * the keys are opened, and again from time to time, since their owner can change them at any time.
 *
 *     a key     is                     the tenant
 *     inside    as the matrix wants    is served
 *     outside   not, or not readable   is not: every call to a key of it fails with KEY_OUTSIDE_SEGREGATION
 *     unknown   of silent service      is served by its other keys: calls to this one fail as an outage
 *
 * An outage changes nothing about a key that is known. A key outside is a slip of somebody's pen, and no refusal by
 * the customer: nothing that was opened before is wiped, and data keys in the cache serve until their time is over.
 */
import type { Clock, Timer } from '../base/clock.ts';
import { gaveUp, KmsError } from './fault.ts';
import type { KeyService } from './key-service.ts';
import { callWithRetry } from './retry.ts';
import { type EnvironmentRule, expectInside, checkOperation as operation } from './segregation.ts';

/** What a gate needs. */
export interface SegregationGateOptions {
  readonly rule: EnvironmentRule;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** How long one attempt to read a key's names and tags may take, in milliseconds. */
  readonly timeoutMs: number;
}

type Standing =
  | { readonly kind: 'inside' }
  | { readonly kind: 'outside'; readonly error: KmsError }
  | { readonly kind: 'unknown'; readonly error: KmsError };

/** A key that is held to the rule, and who is told of it. */
export interface JudgedKey {
  /** Which of the tenant's keys it is: `current`, `replica 1`. */
  readonly part: string;
  readonly service: KeyService;
  /** Told when it is found outside, with the reason as a clause, and when it is inside again. */
  readonly onChange: (problem: string | undefined) => void;
  /** Told of a no by its service to a question that was sent at `sentAt`, on the monotonic clock. */
  readonly onRefusal: (error: KmsError, sentAt: number) => void;
}

interface Judged extends JudgedKey {
  standing: Standing;
}

/** When a key is asked about again, by what was learned last, in milliseconds; a tenth of it is spread. */
const againMs: Readonly<Record<Standing['kind'], number>> = { inside: 900_000, outside: 30_000, unknown: 10_000 };
const spread = 0.1;

/** The gate before the keys of one tenant. Disposing of it ends its questions. */
export class SegregationGate implements Disposable {
  readonly #options: SegregationGateOptions;
  readonly #end = new AbortController();
  #judged: readonly Judged[] = [];
  #timer: Timer | undefined;

  constructor(options: SegregationGateOptions) {
    this.#options = options;
  }

  /** Holds keys to the rule from now on. Returns once each has been asked about; never throws. */
  async judge(keys: readonly JudgedKey[]): Promise<void> {
    this.#judged = keys.map((key) => {
      const error = gaveUp({ provider: key.service.provider, operation }, new Error('nothing is known of the key yet'));
      return { ...key, standing: { kind: 'unknown', error } };
    });
    await this.#ask();
  }

  /** Throws a `KmsError` where the key of this part may not be called. A part that nobody judges has no rule to meet. */
  expectOpen(part: string): void {
    for (const { standing } of this.#judged) if (standing.kind === 'outside') throw standing.error;
    const own = this.#judged.find((judged) => judged.part === part)?.standing;
    if (own?.kind === 'unknown') throw own.error;
  }

  [Symbol.dispose](): void {
    this.#end.abort(new Error('the key has been closed'));
    this.#timer?.[Symbol.dispose]();
  }

  async #ask(): Promise<void> {
    const learned = await Promise.all(this.#judged.map((judged) => this.#judgeAnew(judged)));
    if (this.#end.signal.aborted || learned.length === 0) return;
    const { clock, random } = this.#options;
    const pause = Math.min(...learned.map((kind) => againMs[kind])) * (1 - spread * random());
    this.#timer = clock.after(pause, () => void this.#ask());
  }

  /** Returns what the question gave, which is not what the key counts as where that was known before. */
  async #judgeAnew(judged: Judged): Promise<Standing['kind']> {
    const sentAt = this.#options.clock.monotonic();
    const standing = await this.#standingOf(judged);
    if (this.#end.signal.aborted) return standing.kind;
    const before = judged.standing.kind;
    if (standing.kind !== 'unknown' || before === 'unknown') judged.standing = standing;
    if (standing.kind === 'outside' && before !== 'outside') judged.onChange(standing.error.details.advice ?? '');
    if (standing.kind === 'inside' && before === 'outside') judged.onChange(undefined);
    if (standing.kind === 'unknown' && standing.error.fault.kind === 'refusal') {
      judged.onRefusal(standing.error, sentAt);
    }
    return standing.kind;
  }

  async #standingOf({ part, service }: Judged): Promise<Standing> {
    const { rule, clock, random, timeoutMs } = this.#options;
    try {
      const options = { clock, random, timeoutMs, signal: this.#end.signal };
      await callWithRetry((signal) => expectInside(service, rule, signal), options);
      return { kind: 'inside' };
    } catch (thrown) {
      const { provider } = service;
      const error = thrown instanceof KmsError ? thrown : gaveUp({ provider, operation }, thrown);
      return isOutside(error) ? { kind: 'outside', error: naming(part, error) } : { kind: 'unknown', error };
    }
  }
}

function isOutside({ fault }: KmsError): boolean {
  return fault.kind === 'config' && fault.reason === 'KEY_OUTSIDE_SEGREGATION';
}

/** A tenant has several keys: whoever reads the reason has to know which. */
function naming(part: string, { fault, details }: KmsError): KmsError {
  const advice = `${part === 'current' ? 'the current key' : part}: ${details.advice ?? ''}`;
  return new KmsError(fault, { ...details, advice });
}
