/** What must hold of one watched key whatever is said and happens: looked at after each second, with a memory. */
import type { MoodyKey } from './moody-key.ts';

export interface Look {
  /** On the monotonic clock, in milliseconds. */
  readonly now: number;
  /** Whether no call of anybody's is under way. */
  readonly isIdle: boolean;
  /** Whether data keys are cached, so that the key has to be asked. */
  readonly isHolding: boolean;
  /** How long a no, or a yes, may stay unheard while the service is well. */
  readonly boundMs: number;
}

export class WatchRules {
  readonly #key: MoodyKey;
  #noSince: number | undefined;
  #yesSince: number | undefined;

  constructor(key: MoodyKey) {
    this.#key = key;
  }

  /** The rules that do not hold now, in words. */
  broken(look: Look): string[] {
    const key = this.#key;
    const { watch } = key;
    if (watch === undefined) return [];
    const { kind } = watch.state;
    const isBack = kind !== 'refused' && watch.epoch > 0;
    const rules: readonly (readonly [boolean, string])[] = [
      [watch.epoch === 0 || key.hasSaidNo, 'refused, and it had not said no'],
      [!isBack || key.yesWhileRefused.has(watch.epoch), 'back without a yes to what was sent after the no'],
      [!look.isIdle || key.outlived() === 0, 'what it opened outlived its no'],
      [this.#noFor(look) <= look.boundMs || kind === 'refused', 'its no was not heard in time'],
      [this.#yesFor(look) <= look.boundMs || kind === 'active', `its yes was not heard in time: it is ${kind}`],
    ];
    return rules.filter(([holds]) => !holds).map(([, rule]) => `${key.keyId}: ${rule}`);
  }

  /** For how long it has been saying no to whoever asks, with something to ask for. */
  #noFor({ now, isHolding }: Look): number {
    const says = this.#isClear && this.#key.will !== 'yes' && isHolding;
    this.#noSince = says ? (this.#noSince ?? now) : undefined;
    return now - (this.#noSince ?? now);
  }

  #yesFor({ now }: Look): number {
    const says = this.#isClear && this.#key.will === 'yes';
    this.#yesSince = says ? (this.#yesSince ?? now) : undefined;
    return now - (this.#yesSince ?? now);
  }

  get #isClear(): boolean {
    return this.#key.mood === 'well' && !this.#key.isHeld;
  }
}
