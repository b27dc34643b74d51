import { describe, expect, it } from 'vitest';
import { CircuitBreaker, CircuitOpen, withBreaker } from '../../../src/kms/circuit-breaker.ts';
import { DeadlinePassed } from '../../../src/kms/deadline.ts';
import type { KmsFault } from '../../../src/kms/fault.ts';
import { withRetries } from '../../../src/kms/retry.ts';
import { context, failureOf, never } from '../../contract/calls.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { ManualClock } from './manual-clock.ts';

const silent: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };

/** Wraps by itself, and asks its service to unwrap alone. */
class PublicKeyService extends FakeKeyService {
  answers = 0;
  isSilent = false;

  override async unwrap(request: Parameters<FakeKeyService['unwrap']>[0]) {
    this.fault = this.isSilent ? silent : undefined;
    const unwrapped = super.unwrap(request).finally(() => {
      this.fault = undefined;
    });
    const plaintext = await unwrapped;
    this.answers++;
    return plaintext;
  }
}

function world() {
  const clock = new ManualClock();
  const key = new FakeKeyService('cmk');
  const changes: string[] = [];
  const guarded = withBreaker(
    key,
    new CircuitBreaker({ clock, random: () => 0, onChange: (state) => changes.push(state) }),
  );
  const generate = (signal = never) => guarded.generate({ length: 32, context, signal });
  const silence = async (times: number) => {
    key.fault = silent;
    for (let i = 0; i < times; i++) await failureOf(generate());
  };
  return { clock, key, changes, guarded, generate, silence };
}

describe('a circuit breaker', () => {
  it('lets calls through until five in a row got no answer, and then makes none', async () => {
    const { key, changes, generate, silence } = world();
    await silence(5);
    expect([key.calls.generate, changes]).toEqual([5, ['open']]);
    const error = await failureOf(generate());
    expect(error).toBeInstanceOf(CircuitOpen);
    expect(error.fault).toEqual({ ...silent, retryAfterMs: 1_000 });
    expect(error.details).toMatchObject({ providerCode: 'Fakeoutage', requestId: 'request-5' });
    expect(key.calls.generate).toBe(5);
  });

  it.each([undefined, disabled])('counts anew after an answer: %o', async (answer) => {
    const { key, generate, silence } = world();
    await silence(4);
    key.fault = answer;
    await generate().catch(() => undefined);
    await silence(4);
    expect(key.calls.generate).toBe(9);
  });

  it('learns nothing from a wrap that its service was not asked for', async () => {
    const clock = new ManualClock();
    const key = new PublicKeyService('cmk');
    const changes: string[] = [];
    const guarded = withBreaker(
      key,
      new CircuitBreaker({ clock, random: () => 0, onChange: (state) => changes.push(state) }),
    );
    const { entry } = await guarded.generate({ length: 32, context, signal: never });
    const open = () => guarded.unwrap({ entry, context, signal: never });
    key.isSilent = true;
    for (let i = 0; i < 5; i++) {
      await failureOf(open());
      await guarded.generate({ length: 32, context, signal: never }).catch(() => undefined);
    }
    expect([key.calls.unwrap, changes]).toEqual([5, ['open']]);
    await clock.advance(1_000);
    await guarded.generate({ length: 32, context, signal: never });
    expect(changes).toEqual(['open']);
    key.isSilent = false;
    await open();
    expect(changes).toEqual(['open', 'closed']);
  });

  it('learns nothing from a fault of the data, which may never have left this process', async () => {
    const { clock, key, changes, generate, silence } = world();
    const garbage = async () => {
      key.fault = { kind: 'data' };
      await failureOf(generate());
    };
    for (let i = 0; i < 4; i++) {
      await silence(1);
      await garbage();
    }
    await silence(1);
    expect([key.calls.generate, changes]).toEqual([9, ['open']]);
    await clock.advance(1_000);
    for (let i = 0; i < 3; i++) await garbage();
    await silence(1);
    await silence(1);
    expect([key.calls.generate, changes]).toEqual([13, ['open']]);
    expect(await failureOf(generate())).toMatchObject({ fault: { retryAfterMs: 2_000 } });
  });

  it('lets one call through after its pause, and closes with its answer, be it a refusal', async () => {
    const { clock, key, changes, generate, silence } = world();
    await silence(5);
    await clock.advance(1_000);
    key.fault = disabled;
    const letGo = key.hold();
    const probe = failureOf(generate());
    expect(await failureOf(generate())).toBeInstanceOf(CircuitOpen);
    letGo();
    expect((await probe).fault).toEqual(disabled);
    key.fault = undefined;
    await generate();
    expect([key.calls.generate, changes]).toEqual([7, ['open', 'closed']]);
  });

  it('waits twice as long after each probe that got no answer, up to 30 s', async () => {
    const { clock, key, generate, silence } = world();
    await silence(5);
    const waits: number[] = [];
    for (let i = 0; i < 7; i++) {
      const { fault } = await failureOf(generate());
      const wait = 'retryAfterMs' in fault ? (fault.retryAfterMs ?? 0) : 0;
      waits.push(wait);
      await clock.advance(wait);
      await failureOf(generate());
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(key.calls.generate).toBe(5 + 7);
  });

  it('takes throttling for the answer of a service that is well', async () => {
    const { key, generate } = world();
    key.fault = throttled;
    for (let i = 0; i < 9; i++) expect((await failureOf(generate())).fault).toEqual(throttled);
    expect(key.calls.generate).toBe(9);
  });

  it('counts the end of an attempt by its deadline, and no caller who gave up', async () => {
    const { key, generate } = world();
    for (let i = 0; i < 9; i++) await failureOf(generate(AbortSignal.abort(new Error('gave up'))));
    expect(key.calls.generate).toBe(9);
    for (let i = 0; i < 9; i++) await failureOf(generate(AbortSignal.abort(new DeadlinePassed(2_000))));
    expect(key.calls.generate).toBe(14);
  });

  it('stays passable where the one who probed gave up', async () => {
    const { clock, key, generate, silence } = world();
    await silence(5);
    await clock.advance(1_000);
    await failureOf(generate(AbortSignal.abort(new Error('gave up'))));
    await clock.advance(1_000);
    key.fault = undefined;
    await generate();
    expect(key.calls.generate).toBe(7);
  });

  it('ends the retries of a call: the time to wait is known', async () => {
    const { clock, key, guarded, silence } = world();
    const patient = withRetries(guarded, { clock, random: () => 0, timeoutMs: 60_000 });
    await silence(3);
    const call = failureOf(patient.generate({ length: 32, context, signal: never }));
    await clock.advance(60_000);
    const error = await call;
    expect(error).not.toBeInstanceOf(CircuitOpen);
    expect(error.details.requestId).toBe('request-5');
    expect(key.calls.generate).toBe(5);
  });
});
