/**
 * When a login may be tried again. A secret id can have a number of uses, and each login spends one, so none is shown
 * twice without need: not after a definite no, and after silence only with growing pauses.
 */
import type { Clock } from '../../base/clock.ts';
import type { KmsError } from '../fault.ts';

/** How a login failed. */
export type LoginEnd =
  /** Vault said no to what was shown. */
  | 'refused'
  /** It may have been received, and a use of the secret id spent. */
  | 'unclear'
  /** It never arrived, or nobody looked at it: a closed port, a sealed or a busy node. */
  | 'unspent';

/** For this long Vault is not asked again with what it refused, in milliseconds; an administrator may have repaired it. */
const refusedHoldsMs = 300_000;

/** Ceilings of the pauses, in milliseconds: from the first, doubled with each failure, to the last. */
const pauses: Readonly<Record<Exclude<LoginEnd, 'refused'>, readonly [first: number, last: number]>> = {
  unclear: [1_000, 300_000],
  unspent: [250, 10_000],
};

/** The pauses between the logins of one identity. */
export class LoginPacing {
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;
  #hold: { readonly error: KmsError; readonly until: number; readonly proof?: string } | undefined;

  /** `random` is in [0, 1). */
  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The error that stands for a login with `proof` now; undefined where one may be sent. */
  holds(proof: string): KmsError | undefined {
    const hold = this.#hold;
    if (hold === undefined || this.#clock.monotonic() >= hold.until) return undefined;
    return hold.proof === undefined || hold.proof === proof ? hold.error : undefined;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#hold = undefined;
  }

  failed(end: LoginEnd, proof: string, error: KmsError): void {
    const now = this.#clock.monotonic();
    if (end === 'refused') {
      this.#hold = { error, until: now + refusedHoldsMs, proof };
      return;
    }
    const [first, last] = pauses[end];
    const ceiling = Math.min(last, first * 2 ** this.#failures++);
    // At least half of it: a pause of nearly nothing would spend one more use at once.
    this.#hold = { error, until: now + (ceiling / 2) * (1 + this.#random()) };
  }
}
