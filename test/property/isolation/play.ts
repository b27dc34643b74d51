/** Random steps in a world: things are made, opened by whoever tries, and everything that comes of it is looked at. */
import { type Caller, callerName } from '../../../src/base/caller.ts';
import { errorTable, KeyproxyError } from '../../../src/base/errors.ts';
import { decrypt } from '../../../src/operations/decrypt.ts';
import { encrypt } from '../../../src/operations/encrypt.ts';
import { generateDek } from '../../../src/operations/generate-dek.ts';
import { rewrap } from '../../../src/operations/rewrap.ts';
import { unwrap } from '../../../src/operations/unwrap.ts';
import type { Dice } from '../../fuzz/engine/dice.ts';
import { tampered } from './bytes.ts';
import type { Attempt, Made, Pairs, Verdict } from './model.ts';
import { World } from './world.ts';

/** Contexts that are near each other: the same in another order, or when their parts are put together. */
const contexts: readonly [Pairs, ...Pairs[]] = [
  {},
  { purpose: 'orders' },
  { purpose: 'orders', region: 'eu' },
  { region: 'eu', purpose: 'orders' },
  { purpose: 'order', s: '' },
  { purpose: '', orders: '' },
  { p: 'urposeorders' },
  { caf\u00e9: '1' },
  { cafe\u0301: '1' },
  { tenant: 'a' },
];
const data = ['', '0', 'row 1', 'row 1\0', 'row 10', 'x'.repeat(300)] as const;

/** What a call may end with where a tenant's keys are not well, or may not have been heard to be. */
const ofKeys = /^KEY_/;
const { signal } = new AbortController();
/** What was made longer ago is forgotten. */
const mostMade = 120;

/** What an attempt gave. */
interface Opened {
  /** What was inside; undefined where it was only wrapped anew. */
  readonly secret?: Buffer;
  readonly rewrapped?: Buffer;
  readonly pairs?: ReadonlyMap<string, string>;
}

export class Play {
  readonly world: World;
  /** Openings that succeeded as they had to, attempts that failed as they had to, and those that a customer's no ended. */
  readonly counts = { opened: 0, kept: 0, refused: 0 };
  readonly #dice: Dice;
  #secrets = 0;

  constructor(dice: Dice) {
    this.#dice = dice;
    this.world = new World(dice);
  }

  async step(): Promise<void> {
    const { world } = this;
    const dice = this.#dice;
    world.watched.clock.advance(dice.below(50));
    if (dice.once(60)) return world.happen();
    if (dice.once(4)) return this.#make();
    // Several at a time share flights, entries of the cache and what is remembered of bytes.
    const attempts = Array.from({ length: dice.once(4) ? 2 + dice.below(4) : 1 }, () => this.#attempt());
    const begun = attempts.map((attempt) => attempt && this.#begin(attempt));
    for (const each of begun) if (each !== undefined) this.#judge(each.attempt, each.verdict, await each.outcome);
  }

  end(): Promise<number> {
    return this.world.end();
  }

  get #caller(): Caller {
    return this.#dice.pick(this.world.callers);
  }

  async #make(): Promise<void> {
    const { world } = this;
    const dice = this.#dice;
    const { id: tenantId, keys } = world.any;
    const pairs = dice.pick(contexts);
    const request = { tenantId, encryptionContext: new Map(Object.entries(pairs)) };
    const caller = this.#caller;
    const made = { tenant: tenantId, pairs, keyId: keys[0].keyId };
    const isMessage = dice.once(2);
    const due = world.model.turnedAway(callerName(caller), tenantId, isMessage ? 'encrypt' : 'generate_dek');
    if (isMessage) {
      const secret = Buffer.from(`secret ${this.#secrets++}`);
      const ad = dice.pick(data);
      const plaintext = Buffer.from(secret);
      const call = encrypt(world.engine)(caller, { ...request, plaintext, associatedData: Buffer.from(ad) }, signal);
      const answer = await world.outcome(call);
      if (this.#isAnswer(answer, tenantId, due)) {
        world.model.keep({ ...made, kind: 'message', ad, bytes: answer.ciphertext, secret });
      }
    } else {
      const wish = { source: dice.below(3), numberOfBytes: dice.pick([0, 16, 24, 32, 64]), withoutPlaintext: false };
      const answer = await world.outcome(generateDek(world.engine)(caller, { ...request, ...wish }, signal));
      if (this.#isAnswer(answer, tenantId, due)) {
        using plaintext = answer.plaintext;
        const secret = Buffer.from(plaintext?.reveal() ?? '');
        world.model.keep({ ...made, kind: 'wrapped DEK', ad: '', bytes: answer.wrappedDek, secret });
      }
    }
    world.model.forget(mostMade);
  }

  /** Whether it is an answer; throws where there should be one and is none, or the other way round. */
  #isAnswer<T>(answer: T | KeyproxyError, tenantId: string, due: string | undefined): answer is T {
    const mood = this.world.moodOf(tenantId);
    if (!(answer instanceof KeyproxyError)) {
      if (due !== undefined) throw new Error(`a call was answered that had to end with ${due}`);
      if (mood === 'refused') throw new Error('a call was answered after the customer had said no');
      return true;
    }
    const isOfKeys = mood !== 'well' && ofKeys.test(answer.reason);
    if (answer.reason !== due && (isAtTheDoor(due) || !isOfKeys)) {
      throw new Error(`a call ended with ${answer.reason} and had to ${due ?? 'be answered'}`, { cause: answer });
    }
    if (mood === 'refused' && isOfKeys) this.counts.refused++;
    if (answer.reason === 'DECRYPT_FAILED') expectPlain(answer);
    return false;
  }

  /** Somebody tries to open something: half of the time what is theirs, else with one thing or everything wrong. */
  #attempt(): Attempt | undefined {
    const { model } = this.world;
    const dice = this.#dice;
    const all = model.all;
    const [one, other] = [all[dice.below(all.length)], all[dice.below(all.length)]];
    if (one === undefined || other === undefined) return undefined;
    const allowed = this.world.callers.filter((caller) => model.allowed(callerName(caller), one.tenant).size > 0);
    const caller = dice.once(6) ? this.#caller : (allowed[dice.below(allowed.length)] ?? this.#caller);
    const isRewrap = dice.once(6);
    const kind = dice.once(30) ? other.kind : one.kind;
    const ofMessage = isRewrap ? 'rewrap a message' : 'decrypt';
    const ofDek = isRewrap ? 'rewrap a wrapped DEK' : 'unwrap';
    return {
      caller: callerName(caller),
      verb: kind === 'message' ? ofMessage : ofDek,
      tenant: dice.once(4) ? this.world.any.id : one.tenant,
      pairs: dice.once(4) ? this.#wrongPairs(one, other) : one.pairs,
      ad: dice.once(6) ? dice.pick(data) : one.ad,
      bytes: dice.once(4) ? tampered(one, other, dice) : one.bytes,
    };
  }

  #wrongPairs(one: Made, other: Made): Pairs {
    const dice = this.#dice;
    switch (dice.below(4)) {
      case 0:
        return other.pairs;
      case 1:
        return { ...one.pairs, tenant_id: dice.once(2) ? one.tenant : other.tenant };
      case 2:
        return {};
      default:
        return dice.pick(contexts);
    }
  }

  #begin(attempt: Attempt) {
    const { world } = this;
    const verdict = world.model.verdict(attempt);
    return { attempt, verdict, outcome: world.outcome(this.#open(attempt)) };
  }

  async #open({ verb, tenant: tenantId, pairs, ad, bytes, ...who }: Attempt): Promise<Opened> {
    const { engine, callers } = this.world;
    const caller = callers.find((each) => callerName(each) === who.caller) ?? callers[0];
    const encryptionContext = new Map(Object.entries(pairs));
    const associatedData = Buffer.from(ad);
    // What is given to the engine is its own: nobody's later change of it shows.
    const given = Buffer.from(bytes);
    switch (verb) {
      case 'decrypt': {
        const request = { tenantId, ciphertext: given, encryptionContext, associatedData };
        const answer = await decrypt(engine)(caller, request, signal);
        return { secret: answer.plaintext, pairs: answer.encryptionContext };
      }
      case 'unwrap': {
        using answer = await unwrap(engine)(caller, { tenantId, wrappedDek: given, encryptionContext }, signal);
        return { secret: Buffer.from(answer.plaintext.reveal()) };
      }
      default: {
        const input = verb === 'rewrap a message' ? { ciphertext: given } : { wrappedDek: given };
        const request = { tenantId, ...input, encryptionContext, associatedData, targetTenantId: '' };
        const answer = await rewrap(engine)(caller, request, signal);
        return { rewrapped: 'ciphertext' in answer ? answer.ciphertext : answer.wrappedDek };
      }
    }
  }

  #judge(attempt: Attempt, verdict: Verdict, outcome: Opened | KeyproxyError): void {
    const due = 'fails' in verdict ? verdict.fails : undefined;
    if (!this.#isAnswer(outcome, attempt.tenant, due)) {
      if (due !== undefined) this.counts.kept++;
      return;
    }
    if (!('opens' in verdict)) return;
    const { opens } = verdict;
    this.counts.opened++;
    if (outcome.secret?.equals(opens.secret) === false) throw new Error('something else came out than was put in');
    if (outcome.pairs !== undefined) expectPairs(outcome.pairs, opens);
    if (outcome.rewrapped !== undefined) {
      const keyId = this.world.tenants.find(({ id }) => id === opens.tenant)?.keys[0].keyId ?? opens.keyId;
      this.world.model.keep({ ...opens, bytes: outcome.rewrapped, keyId });
    }
  }
}

/** Whether a call never comes to a key. */
function isAtTheDoor(reason: string | undefined): boolean {
  return reason === 'TENANT_UNKNOWN' || reason === 'ACCESS_DENIED';
}

/** All failures of decryption look alike. */
function expectPlain({ message, metadata, retryAfterMs }: KeyproxyError): void {
  const isPlain = message === errorTable.DECRYPT_FAILED.message && retryAfterMs === undefined;
  if (!isPlain || Object.keys(metadata).length > 0)
    throw new Error('a failed decryption tells more than that it failed');
}

function expectPairs(pairs: ReadonlyMap<string, string>, made: Made): void {
  const want = { ...made.pairs, tenant_id: made.tenant };
  const isSame =
    pairs.size === Object.keys(want).length && Object.entries(want).every(([name, value]) => pairs.get(name) === value);
  if (!isSame) throw new Error('the context that came back is not the one it was written with');
}
