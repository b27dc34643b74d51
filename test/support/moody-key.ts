/**
 * A key service in memory with a customer who changes their mind and a network that is not always there. It remembers
 * what it gave out under which epoch of the watch, and it outlives the ring that it is part of.
 */
import type { SecretBytes } from '../../src/base/secret.ts';
import { gaveUp, type KmsFault } from '../../src/kms/fault.ts';
import type { KeyWatch } from '../../src/tenants/key-watch.ts';
import { FakeKeyService } from './fake-key-service.ts';

/** What the customer says of the key as a whole. */
export const wills = ['yes', 'disabled', 'denied'] as const;
export type Will = (typeof wills)[number];

/** How the service is: only one that is well says what the customer says. */
export const moods = ['well', 'silent', 'unclear', 'throttled'] as const;
export type Mood = (typeof moods)[number];

const noes: Readonly<Record<Will, KmsFault | undefined>> = {
  yes: undefined,
  disabled: { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true },
  denied: { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false },
};

const faults: Readonly<Record<Exclude<Mood, 'well'>, KmsFault>> = {
  silent: { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' },
  unclear: { kind: 'ambiguous', reason: 'KEY_STATE_INVALID' },
  throttled: { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' },
};

export class MoodyKey extends FakeKeyService {
  will: Will = 'yes';
  mood: Mood = 'well';
  /** Of the key as the engine knows it, once it does. */
  watch: KeyWatch | undefined;
  /** Calls that have not been answered. */
  underWay = 0;
  /** Whether it has ever answered with what is, or may be, the customer's no to the key. */
  hasSaidNo = false;
  /** Epochs in which an unwrap that was sent while the key was refused was answered yes. */
  readonly yesWhileRefused = new Set<number>();
  readonly #given: { readonly secret: SecretBytes; readonly epoch: number }[] = [];
  readonly #letGo: (() => void)[] = [];
  #late: Promise<void> | undefined;

  /** Whether calls or answers are kept on their way. */
  get isHeld(): boolean {
    return this.#letGo.length > 0;
  }

  /** Keeps calls on their way there, or answers on their way back: those are what they were when the call came. */
  holdUp(what: 'calls' | 'answers'): void {
    this.overtake();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#letGo.push(resolve);
    if (what === 'calls') this.gate = promise;
    else this.#late = promise;
  }

  /** Calls from now on overtake those that are kept. */
  overtake(): void {
    this.gate = undefined;
    this.#late = undefined;
  }

  release(): void {
    this.overtake();
    for (const letGo of this.#letGo.splice(0)) letGo();
  }

  /** Secrets that are still there though the key has said no since they were asked for. */
  outlived(): number {
    const epoch = this.watch?.epoch ?? 0;
    const isRefused = this.watch?.state.kind === 'refused';
    return this.#given.filter(({ secret, epoch: at }) => secret.length > 0 && (isRefused || at !== epoch)).length;
  }

  override async generate(request: Parameters<FakeKeyService['generate']>[0]) {
    const epoch = this.watch?.epoch ?? 0;
    const made = await this.#through(request.signal, () => super.generate(request));
    this.#given.push({ secret: made.plaintext, epoch });
    return made;
  }

  override async unwrap(request: Parameters<FakeKeyService['unwrap']>[0]) {
    const epoch = this.watch?.epoch ?? 0;
    const isRefused = this.watch?.state.kind === 'refused';
    const secret = await this.#through(request.signal, () => super.unwrap(request));
    this.#given.push({ secret, epoch });
    if (isRefused) this.yesWhileRefused.add(epoch);
    return secret;
  }

  override async [Symbol.asyncDispose](): Promise<void> {}

  async #through<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    this.underWay++;
    try {
      await (this.gate && Promise.race([this.gate, aborted(signal)]));
      this.#speak();
      const answer = await call().then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      await (this.#late && Promise.race([this.#late, aborted(signal)]));
      if (signal.aborted) throw gaveUp({ provider: this.provider, operation: 'fake' }, signal.reason);
      if ('error' in answer) throw answer.error;
      return answer.value;
    } finally {
      this.underWay--;
    }
  }

  #speak(): void {
    this.fault = this.mood === 'well' ? noes[this.will] : faults[this.mood];
    this.isMute = this.mood === 'silent';
    if (this.mood === 'unclear' || (this.mood === 'well' && this.will !== 'yes')) this.hasSaidNo = true;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done(), { once: true });
  });
}
