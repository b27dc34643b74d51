import { describe, expect, it } from 'vitest';
import { gaveUp, KmsError } from '../../../src/kms/fault.ts';
import { Proof } from '../../../src/kms/proof.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const never = new AbortController().signal;
const disabled = new KmsError(
  { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true },
  { provider: 'azure_kv', operation: 'unwrapKey' },
);

/** A service that counts its questions and answers them when it is told to. */
function world(proofMs = 1_000, askAgainMs = 60_000) {
  const clock = new FakeClock();
  const asked: { yes(): void; no(error: unknown): void; signal: AbortSignal }[] = [];
  const ask = (signal: AbortSignal) => new Promise<void>((yes, no) => asked.push({ yes, no, signal }));
  return { clock, asked, proof: new Proof({ provider: 'azure_kv', clock, proofMs, askAgainMs, ask }) };
}

/** A proof whose service answers yes at once. */
function willing(proofMs: number, askAgainMs = 60_000) {
  const clock = new FakeClock();
  let asked = 0;
  const ask = async () => {
    asked++;
  };
  const proof = new Proof({ provider: 'azure_kv', clock, proofMs, askAgainMs, ask });
  return { clock, proof, asked: () => asked };
}

describe('a proof that a key may be used', () => {
  it('asks where nothing has been proven yet, and not again until its time is over', async () => {
    const { clock, proof, asked } = willing(1_000);
    await proof.ensure(never);
    clock.advance(999);
    await proof.ensure(never);
    expect(asked()).toBe(1);
    clock.advance(1);
    await proof.ensure(never);
    expect(asked()).toBe(2);
  });

  it('asks again in time, however much real traffic proves, and bears silence then while there is a proof', async () => {
    const { clock, asked, proof } = world(1_000, 5_000);
    clock.advance(5_000);
    proof.succeeded(clock.monotonic());
    const first = proof.ensure(never);
    asked[0]?.no(gaveUp({ provider: 'azure_kv', operation: 'unwrapKey' }, new Error('silence')));
    await first;
    await proof.ensure(never);
    expect(asked).toHaveLength(1);
    clock.advance(5_000);
    proof.succeeded(clock.monotonic());
    const second = proof.ensure(never);
    asked[1]?.no(disabled);
    await expect(second).rejects.toBe(disabled);
    void proof.ensure(never).catch(() => undefined);
    expect(asked).toHaveLength(3);
  });

  it('takes an unwrap of real traffic for a proof, from the time when it was sent', async () => {
    const { clock, proof, asked } = willing(1_000);
    const sentAt = clock.monotonic();
    clock.advance(600);
    proof.succeeded(sentAt);
    clock.advance(399);
    await proof.ensure(never);
    expect(asked()).toBe(0);
    clock.advance(1);
    await proof.ensure(never);
    expect(asked()).toBe(1);
  });

  it('keeps the later of two proofs, in whatever order the answers come', async () => {
    const { clock, proof, asked } = willing(1_000);
    clock.advance(500);
    proof.succeeded(500);
    proof.succeeded(0);
    clock.advance(999);
    await proof.ensure(never);
    expect(asked()).toBe(0);
  });

  it('asks every time where its time is 0', async () => {
    const { proof, asked } = willing(0);
    for (let i = 0; i < 3; i++) await proof.ensure(never);
    expect(asked()).toBe(3);
  });

  it('asks one question for all who wait for it', async () => {
    const { proof, asked } = world();
    const waiting = Array.from({ length: 5 }, () => proof.ensure(never));
    expect(asked).toHaveLength(1);
    asked[0]?.yes();
    await Promise.all(waiting);
  });

  it('goes on with its question when one of those who wait gives up', async () => {
    const { proof, asked } = world();
    const impatient = new AbortController();
    const [first, second] = [proof.ensure(impatient.signal), proof.ensure(never)];
    impatient.abort();
    await expect(first).rejects.toMatchObject({
      fault: { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' },
      details: { provider: 'azure_kv' },
    });
    expect(asked[0]?.signal.aborted).toBe(false);
    asked[0]?.yes();
    await second;
    await proof.ensure(never);
    expect(asked).toHaveLength(1);
  });

  it('fails with what the question failed with, and asks again for the next', async () => {
    const { proof, asked } = world();
    const waiting = proof.ensure(never);
    asked[0]?.no(disabled);
    await expect(waiting).rejects.toBe(disabled);
    const next = proof.ensure(never);
    expect(asked).toHaveLength(2);
    asked[1]?.yes();
    await next;
  });

  it('is void after a refusal, also of what was asked before it and answered after', async () => {
    const { clock, proof, asked } = willing(1_000);
    await proof.ensure(never);
    const sentAt = clock.monotonic();
    clock.advance(1);
    proof.refused();
    proof.succeeded(sentAt);
    await proof.ensure(never);
    expect(asked()).toBe(1 + 1);
  });

  it('takes no yes to a question that was sent before a refusal', async () => {
    const { clock, proof, asked } = world();
    const before = proof.ensure(never);
    clock.advance(1);
    proof.refused();
    clock.advance(1);
    const after = proof.ensure(never);
    expect(asked).toHaveLength(2);
    asked[0]?.yes();
    await before;
    const together = proof.ensure(never);
    expect(asked).toHaveLength(2);
    asked[1]?.no(disabled);
    await expect(after).rejects.toBe(disabled);
    await expect(together).rejects.toBe(disabled);
  });

  it('ends its question when it is disposed of', async () => {
    const { proof, asked } = world();
    const waiting = proof.ensure(never);
    proof[Symbol.dispose]();
    expect(asked[0]?.signal.aborted).toBe(true);
    asked[0]?.no(disabled);
    await expect(waiting).rejects.toBe(disabled);
  });
});
