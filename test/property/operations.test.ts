/** The verbs under random use by two tenants of one key, with reloads, faults and the passing of time. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KmsFault } from '../../src/kms/fault.ts';
import { FakeEngine, rejection } from '../support/fake-engine.ts';
import { FakeKeyService } from '../support/fake-key-service.ts';

const tenant = fc.constantFrom('a', 'b');
const context = fc.constantFrom<Record<string, string>>({}, { purpose: 'orders' }, { purpose: 'mail', region: 'eu' });
const ad = fc.constantFrom('', 'row 1', 'row 2');
const fault = fc.constantFrom<KmsFault | undefined>(
  undefined,
  undefined,
  undefined,
  { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' },
  { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false },
);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('encrypt' as const), tenant, context, ad, text: fc.string() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('generate' as const),
      tenant,
      context,
      source: fc.constantFrom(0, 1, 2),
      bytes: fc.constantFrom(0, 16, 64),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('open' as const), which: fc.nat(), tenant, context, ad }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rewrap' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.nat({ max: 200_000_000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reload' as const), tenant, keys: fc.constantFrom(0, 1, 2) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('fault' as const), fault }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Something that was made, with all that it takes to open it again. */
interface Made {
  readonly kind: 'ciphertext' | 'wrapped DEK';
  readonly tenant: string;
  readonly context: Record<string, string>;
  readonly ad: string;
  readonly bytes: Buffer;
  readonly plaintext: Buffer;
}

const honest = ['KEY_SERVICE_UNAVAILABLE', 'KEY_ACCESS_DENIED'];

class World {
  readonly keys = [new FakeKeyService('shared'), new FakeKeyService('second'), new FakeKeyService('third')] as const;
  readonly engine = new FakeEngine({ maxBytes: 20_000 });
  readonly made: Made[] = [];

  constructor() {
    for (const id of ['a', 'b']) this.#serve(id, 0);
  }

  /** Whichever key is current, the others stay readable. */
  #serve(id: string, current: number): void {
    const [first, second, third] = this.keys;
    const rings = [
      [first, second, third],
      [second, first, third],
      [third, first, second],
    ] as const;
    this.engine.serve(id, rings[current] ?? rings[0], { cacheMaxEntries: 5 });
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case 'encrypt':
        return this.#encrypt(step);
      case 'generate':
        return this.#generate(step);
      case 'open':
        return this.#open(step);
      case 'rewrap':
        return this.#rewrap(step.which);
      case 'time':
        return this.engine.clock.sleep(step.ms);
      case 'reload':
        return this.#serve(step.tenant, step.keys);
      case 'fault':
        for (const key of this.keys) key.fault = step.fault;
    }
  }

  async #encrypt({ tenant: id, context: pairs, ad: data, text }: Step & { kind: 'encrypt' }): Promise<void> {
    const answer = await this.#unlessFault(this.engine.encrypt(id, text, { context: pairs, ad: data }));
    if (answer === undefined) return;
    const { ciphertext: bytes } = answer;
    this.made.push({ kind: 'ciphertext', tenant: id, context: pairs, ad: data, bytes, plaintext: Buffer.from(text) });
  }

  async #generate({ tenant: id, context: pairs, ...options }: Step & { kind: 'generate' }): Promise<void> {
    const answer = await this.#unlessFault(this.engine.generate(id, { ...options, context: pairs }));
    if (answer === undefined) return;
    const plaintext = Buffer.from(answer.plaintext?.reveal() ?? '');
    answer.plaintext?.[Symbol.dispose]();
    this.made.push({ kind: 'wrapped DEK', tenant: id, context: pairs, ad: '', bytes: answer.wrappedDek, plaintext });
  }

  #opened(made: Made, id: string, options: { context: Record<string, string>; ad: string }): Promise<Buffer> {
    if (made.kind === 'ciphertext')
      return this.engine.decrypt(id, made.bytes, options).then((answer) => answer.plaintext);
    return this.engine.unwrap(id, made.bytes, options).then((answer) => {
      using opened = answer;
      return Buffer.from(opened.plaintext.reveal());
    });
  }

  async #open({ which, tenant: id, context: pairs, ad: data }: Step & { kind: 'open' }): Promise<void> {
    const made = this.#pick(which);
    if (made === undefined) return;
    const mine = await this.#unlessFault(this.#opened(made, made.tenant, made));
    if (mine !== undefined) expect(mine.equals(made.plaintext)).toBe(true);
    const isContext = JSON.stringify(pairs) === JSON.stringify(made.context);
    const takesAny = made.kind === 'ciphertext' && Object.keys(pairs).length === 0;
    const isData = made.kind === 'wrapped DEK' || data === made.ad;
    if (id === made.tenant && (isContext || takesAny) && isData) return;
    const failure = await rejection(this.#opened(made, id, { context: pairs, ad: data }));
    expect(['DECRYPT_FAILED', ...honest]).toContain(failure.reason);
  }

  async #rewrap(which: number): Promise<void> {
    const made = this.#pick(which);
    if (made === undefined) return;
    const input = made.kind === 'ciphertext' ? { ciphertext: made.bytes } : { wrappedDek: made.bytes };
    const answer = await this.#unlessFault(this.engine.rewrap(made.tenant, input, made));
    if (answer === undefined) return;
    this.made.push({ ...made, bytes: 'ciphertext' in answer ? answer.ciphertext : answer.wrappedDek });
  }

  #pick(which: number): Made | undefined {
    return this.made[which % Math.max(this.made.length, 1)];
  }

  /** The answer, or undefined where a key service was told to fail; any other failure is one of the test. */
  async #unlessFault<T>(call: Promise<T>): Promise<T | undefined> {
    if (this.keys[0].fault === undefined) return call;
    return call.catch((error) => {
      if (honest.includes(error.reason)) return undefined;
      throw error;
    });
  }

  get secretsAlive(): number {
    return this.keys.flatMap((key) => key.handedOut).filter(({ length }) => length > 0).length;
  }
}

describe('the verbs', () => {
  it('open what is their own, nothing else, and leave no key behind', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const world = new World();
        for (const each of steps) {
          await world.run(each);
          expect(world.engine.cache.bytes).toBeLessThanOrEqual(20_000);
        }
        world.engine.cache[Symbol.dispose]();
        expect(world.secretsAlive).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});
