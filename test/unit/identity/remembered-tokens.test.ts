/** What is found about a token while the keys that it is checked by change. */
import { describe, expect, test, vi } from 'vitest';
import type { Caller } from '../../../src/base/caller.ts';
import { KeyproxyError } from '../../../src/base/errors.ts';
import { IssuerKeys } from '../../../src/identity/jwks.ts';
import type { KeySet } from '../../../src/identity/jwks-set.ts';
import { RememberedTokens } from '../../../src/identity/remembered-tokens.ts';
import type { TokenCheck, Verdict } from '../../../src/identity/token-check.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const caller: Caller = { kind: 'service_account', namespace: 'shop', name: 'orders' };
const good: Verdict = { kind: 'good', caller, untilMs: Number.POSITIVE_INFINITY };
const bad: Verdict = { kind: 'bad', error: new KeyproxyError('CALLER_UNAUTHENTICATED') };

function keySet(...names: string[]): KeySet {
  return { names: new Set(names), keys: [], fingerprint: names.join() };
}

/** A checker whose checks end when a test says so; every token is signed with the key `k`. */
class HeldCheck implements TokenCheck {
  readonly under: { readonly keys: KeySet; readonly end: (verdict: Verdict) => void }[] = [];

  keyNameOf(): string {
    return 'k';
  }

  check(_token: string, keys: KeySet): Promise<Verdict> {
    return new Promise((end) => this.under.push({ keys, end }));
  }
}

async function scene() {
  const clock = new FakeClock();
  const issuer = { lists: keySet('k') };
  const keys: IssuerKeys = new IssuerKeys({
    ...{ clock, random: () => 0.5 },
    fetch: async () => issuer.lists,
    onChange: () => tokens.forget(),
  });
  const checker = new HeldCheck();
  const tokens = new RememberedTokens({ checker, keys, clock });
  await keys.refresh();
  return { issuer, keys, checker, tokens, [Symbol.dispose]: () => tokens[Symbol.dispose]() };
}

describe('a token that is being checked', () => {
  test('is not good where its key goes meanwhile', async () => {
    using world = await scene();
    const checking = world.tokens.callerOf('t');
    await vi.waitFor(() => expect(world.checker.under.length).toBe(1));
    world.issuer.lists = keySet('other');
    await world.keys.refresh();
    world.checker.under[0]?.end(good);
    await expect(checking).rejects.toMatchObject({ reason: 'CALLER_UNAUTHENTICATED' });
    expect(world.checker.under.length).toBe(1);
    expect(world.tokens.callerOf('t')).toBeInstanceOf(Promise);
    await expect(world.tokens.callerOf('t')).rejects.toMatchObject({ reason: 'CALLER_UNAUTHENTICATED' });
  });

  test.each([
    ['good', good, bad],
    ['bad', bad, good],
  ])('and found %s by keys that have changed is checked again by the new ones', async (_word, before, after) => {
    using world = await scene();
    const checking = Promise.allSettled([world.tokens.callerOf('t')]);
    await vi.waitFor(() => expect(world.checker.under.length).toBe(1));
    world.issuer.lists = keySet('k', 'other');
    await world.keys.refresh();
    world.checker.under[0]?.end(before);
    await vi.waitFor(() => expect(world.checker.under.length).toBe(2));
    expect(world.checker.under[1]?.keys).toBe(world.issuer.lists);
    world.checker.under[1]?.end(after);
    expect(await checking).toEqual([
      after === good ? { status: 'fulfilled', value: caller } : { status: 'rejected', reason: bad.error },
    ]);
  });

  test('by many calls is checked once', async () => {
    using world = await scene();
    const all = Array.from({ length: 50 }, () => world.tokens.callerOf('t'));
    await vi.waitFor(() => expect(world.checker.under.length).toBe(1));
    world.checker.under[0]?.end(good);
    expect(new Set(await Promise.all(all))).toEqual(new Set([caller]));
    expect(world.tokens.callerOf('t')).toBe(caller);
    expect(world.checker.under.length).toBe(1);
  });

  test('and cannot be checked for the key’s sake is checked anew with the next call', async () => {
    using world = await scene();
    for (const count of [1, 2]) {
      const checking = world.tokens.callerOf('t');
      await vi.waitFor(() => expect(world.checker.under.length).toBe(count));
      world.checker.under[count - 1]?.end({ kind: 'unclear', error: new KeyproxyError('CALLER_UNVERIFIABLE') });
      await expect(checking).rejects.toMatchObject({ reason: 'CALLER_UNVERIFIABLE' });
    }
  });
});
