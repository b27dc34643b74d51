/** One tenant under two moody keys, the current one and a replica, whatever a test has happen to it, and what must hold after each second of it. */
import { KeyproxyError } from '../../src/base/errors.ts';
import { parseTenantId } from '../../src/base/ids.ts';
import { type Mood, MoodyKey, type Will } from './moody-key.ts';
import { seededRandom } from './seeded-random.ts';
import { WatchRules } from './watch-rules.ts';
import { settled, WatchedEngine } from './watched-engine.ts';

export type Part = 'current' | 'replica';

/** Something that happens. What does not say to which key happens to the current one. */
export type Step =
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'asleep'; readonly ms: number }
  | { readonly kind: 'wall clock'; readonly ms: number }
  | { readonly kind: 'will'; readonly of: Part; readonly will: Will }
  | { readonly kind: 'mood'; readonly of: Part; readonly mood: Mood }
  | { readonly kind: 'hold'; readonly what: 'calls' | 'answers' }
  | { readonly kind: 'overtake' | 'release' | 'slow canary' | 'forget' | 'retire version' | 'reload' }
  | { readonly kind: 'canary denied' | 'canary allowed' }
  | { readonly kind: 'encrypt' | 'generate'; readonly purpose: number }
  | { readonly kind: 'odd context' }
  | { readonly kind: 'open'; readonly which: number };

interface Made {
  readonly kind: 'ciphertext' | 'wrapped DEK';
  readonly bytes: Buffer;
  readonly context: Record<string, string>;
}

export const intervalMs = 10_000;
const file = `  cache_config: { ttl_seconds: 300 }
  canary: { interval_seconds: ${intervalMs / 1_000} }
  limits: { max_unproven_seconds: 60 }`;
/** With what a call may fail. */
const honest = [
  ...['KEY_DISABLED', 'KEY_ACCESS_DENIED', 'KEY_STATE_INVALID'],
  ...['KEY_SERVICE_UNAVAILABLE', 'KEY_SERVICE_THROTTLED', 'KEY_CALLS_OVER_BUDGET', 'KEY_UNPROVEN'],
];

export class WatchWorld {
  readonly key = new MoodyKey('cmk-a');
  readonly replica = new MoodyKey('cmk-r');
  readonly engine: WatchedEngine;
  /** Rules that were broken, in words. */
  readonly broken: string[] = [];
  /** What was seen, for whoever asks whether anything happened at all. */
  readonly seen = { answers: 0, failures: 0, refusals: 0, recoveries: 0 };
  readonly #rules = [new WatchRules(this.key), new WatchRules(this.replica)];
  readonly #id = parseTenantId('a');
  readonly #made: Made[] = [];
  #pending = 0;
  #reloads = 0;
  /** The epoch of the key before what is under way went on. */
  #epochOfTurn = 0;

  constructor(seed: number) {
    this.engine = new WatchedEngine({ random: seededRandom(seed) });
    for (const key of [this.key, this.replica]) key.deniedContexts.add('odd');
    this.#serve();
  }

  async run(step: Step): Promise<void> {
    const { engine, key } = this;
    switch (step.kind) {
      case 'time':
        return this.pass(step.ms);
      case 'asleep':
        engine.clock.sleep(step.ms);
        // What was cached may have run out, and what was under way may be cached now: the time to hear a no begins anew.
        return this.#look({ wasAsleep: true });
      case 'wall clock':
        engine.clock.wallJump(step.ms);
        break;
      case 'will':
        this.#part(step.of).will = step.will;
        break;
      case 'mood':
        this.#part(step.of).mood = step.mood;
        if (step.of === 'current' && step.mood === 'silent') return this.#beSilent();
        break;
      case 'hold':
        key.holdUp(step.what);
        break;
      case 'overtake':
        key.overtake();
        break;
      case 'release':
        key.release();
        break;
      case 'slow canary':
        key.holdUp('answers');
        void key.watch?.ask();
        await settled();
        key.overtake();
        break;
      case 'forget':
        engine.cache.clear(this.#id, 'removed');
        break;
      case 'retire version':
        key.retireVersion();
        break;
      case 'reload':
        this.#serve();
        break;
      case 'canary denied':
        key.deniedContexts.add('keyproxy-canary');
        break;
      case 'canary allowed':
        key.deniedContexts.delete('keyproxy-canary');
        break;
      case 'encrypt':
        this.#encrypt({ purpose: `p${step.purpose}` });
        break;
      case 'odd context':
        this.#encrypt({ odd: '1' });
        break;
      case 'generate':
        this.#generate({ purpose: `p${step.purpose}` });
        break;
      case 'open':
        this.#open(step.which);
        break;
    }
    await this.#look();
  }

  /** Lets time pass, and looks at each second of it. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1_000) {
      this.engine.clock.advance(Math.min(1_000, left));
      await this.#look();
    }
  }

  #serve(): void {
    this.#reloads++;
    const more = `${file}\n  dek: { source: ${this.#reloads % 2 === 0 ? 'kms' : 'derived'} }`;
    const tenant = this.engine.watch({ current: this.key, replicas: [this.replica], more });
    this.key.watch = tenant.current;
    this.replica.watch = tenant.watchOf(this.replica.keyId);
  }

  #part(of: Part): MoodyKey {
    return of === 'current' ? this.key : this.replica;
  }

  /** Silence alone takes nothing away: where nothing else speaks, it is seen to change nothing but by expiry. */
  async #beSilent(): Promise<void> {
    const { key, replica } = this;
    await this.#look();
    if (!this.#isIdle || replica.will !== 'yes' || replica.mood !== 'well') return;
    const [state, refused] = [key.watch?.state.kind, this.#refusedEvictions()];
    await this.pass(3_000);
    const isSame = key.watch?.state.kind === state || (state === 'active' && key.watch?.state.kind === 'unproven');
    this.#check(isSame, `silence made ${key.watch?.state.kind} of ${state}`);
    this.#check(this.#refusedEvictions() === refused, 'silence took something away');
  }

  get #isIdle(): boolean {
    return this.key.underWay === 0 && this.replica.underWay === 0 && this.#pending === 0;
  }

  #refusedEvictions(): number {
    return this.engine.evictions.filter((reason) => reason === 'refused').length;
  }

  #encrypt(context: Record<string, string>): void {
    this.#call(this.engine.encrypt('a', 'x', { context }), ({ ciphertext }) => {
      this.#check(context['odd'] === undefined, 'a forbidden context was served');
      this.#made.push({ kind: 'ciphertext', bytes: ciphertext, context });
    });
  }

  #generate(context: Record<string, string>): void {
    this.#call(this.engine.generate('a', { context }), ({ plaintext, wrappedDek }) => {
      plaintext?.[Symbol.dispose]();
      this.#made.push({ kind: 'wrapped DEK', bytes: wrappedDek, context });
    });
  }

  #open(which: number): void {
    const made = this.#made[which % Math.max(this.#made.length, 1)];
    if (made === undefined) return;
    const { kind, bytes, context } = made;
    if (kind === 'ciphertext') {
      this.#call(this.engine.decrypt('a', bytes, { context }), ({ plaintext }) =>
        this.#check(plaintext.toString() === 'x', 'something else came out'),
      );
    } else this.#call(this.engine.unwrap('a', bytes, { context }), (opened) => opened[Symbol.dispose]());
  }

  /** A call whose end nobody waits for: it may take longer than the next steps. */
  #call<T>(call: Promise<T>, then: (answer: T) => void): void {
    const { watch } = this.key;
    const [before, epoch] = [watch?.state.kind, watch?.epoch];
    this.#pending++;
    call.then(
      (answer) => {
        this.#pending--;
        this.seen.answers++;
        this.#check(before === 'active', `an answer to a call that began while the key was ${before}`);
        // A no that comes in the very turn of the loop in which an answer leaves is neither before nor after it.
        this.#check(this.#epochOfTurn === epoch, 'an answer to a call that began before the no and ended after it');
        then(answer);
      },
      (error) => {
        this.#pending--;
        this.seen.failures++;
        const reason = error instanceof KeyproxyError ? error.reason : String(error);
        this.#check(honest.includes(reason), `a call failed with ${reason}`);
      },
    );
  }

  async #look({ wasAsleep = false } = {}): Promise<void> {
    const { key, engine } = this;
    const { watch } = key;
    if (watch === undefined) return;
    this.#epochOfTurn = watch.epoch;
    await settled();
    const look = {
      now: engine.clock.monotonic(),
      isIdle: this.#isIdle,
      isHolding: engine.cache.count() > 0 && !wasAsleep,
      boundMs: intervalMs + 2_000,
    };
    for (const rules of this.#rules) for (const rule of rules.broken(look)) this.#check(false, rule);
    this.#check(watch.state.kind !== 'refused' || engine.cache.count() === 0, 'refused, and keys are cached');
    this.seen.refusals = watch.epoch;
    this.seen.recoveries = key.yesWhileRefused.size;
  }

  #check(holds: boolean, rule: string): void {
    if (!holds) this.broken.push(`${this.engine.clock.monotonic()} ms: ${rule}`);
  }
}
