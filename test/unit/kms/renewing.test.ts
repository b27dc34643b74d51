import { describe, expect, it } from 'vitest';
import { KmsError, type KmsFault } from '../../../src/kms/fault.ts';
import { RenewingCredentials } from '../../../src/kms/renewing.ts';
import { ManualClock, settled } from './manual-clock.ts';

/** A credential with a name. */
interface Session {
  readonly name: string;
  readonly expiration?: Date;
}

const lifeMs = 900_000;
const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const refusal: KmsFault = { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true };
const never = new AbortController().signal;

/** A token service that answers as told, with sessions of 900 s that are numbered. */
class FakeSts {
  readonly clock = new ManualClock();
  answers: 'yes' | 'hang' | KmsFault = 'yes';
  calls = 0;
  readonly #pending: (() => void)[] = [];

  readonly credentials = new RenewingCredentials<Session>({
    provider: 'aws_kms',
    clock: this.clock,
    random: () => 0.5,
    timeoutMs: 2_000,
    fetch: () => this.#fetch(),
  });

  async #fetch(): Promise<Session> {
    this.calls++;
    const identity = this.#session(this.calls);
    if (this.answers === 'yes') return identity;
    if (this.answers === 'hang') return new Promise((done) => this.#pending.push(() => done(identity)));
    throw new KmsError(this.answers, { provider: 'aws_kms', operation: 'AssumeRole' });
  }

  #session(number: number): Session {
    const expiration = new Date(this.clock.now() + lifeMs);
    return { name: `session-${number}`, expiration };
  }

  /** Answers what has been hanging. */
  release(): void {
    for (const done of this.#pending.splice(0)) done();
  }

  async current(signal = never): Promise<string> {
    return (await this.credentials.current(signal)).name;
  }
}

function faultOf(call: Promise<unknown>): Promise<KmsFault> {
  return call.then(
    () => {
      throw new Error('the call succeeded');
    },
    (error) => {
      expect(error).toBeInstanceOf(KmsError);
      return error.fault;
    },
  );
}

describe('RenewingCredentials', () => {
  it('asks once for any number of calls, at once or later', async () => {
    const sts = new FakeSts();
    expect(await Promise.all(Array.from({ length: 50 }, () => sts.current()))).toEqual(Array(50).fill('session-1'));
    expect(await sts.current()).toBe('session-1');
    expect(sts.calls).toBe(1);
  });

  it('renews in the background at two thirds of the life, without any call', async () => {
    const sts = new FakeSts();
    await sts.current();
    await sts.clock.advance(599_000);
    expect(sts.calls).toBe(1);
    await sts.clock.advance(2_000);
    expect(sts.calls).toBe(2);
    expect(sts.credentials.held().name).toBe('session-2');
    await sts.clock.advance(10 * lifeMs);
    expect(sts.calls).toBe(17);
  });

  it('spreads renewal, so that sessions that began together do not end together', async () => {
    const times = await Promise.all(
      [0, 0.999].map(async (random) => {
        const clock = new ManualClock();
        const expiration = new Date(clock.now() + lifeMs);
        const fetch = async () => ({ name: 'a', expiration });
        await new RenewingCredentials<Session>({
          provider: 'aws_kms',
          clock,
          random: () => random,
          timeoutMs: 1,
          fetch,
        }).current(never);
        return clock.untilNext;
      }),
    );
    expect(times[0]).toBeCloseTo(555_000, 0);
    expect(times[1]).toBeCloseTo(644_910, 0);
  });

  it('tells when the credentials expire, and nothing before there are any', async () => {
    const sts = new FakeSts();
    expect(sts.credentials.expiresAtMs).toBeUndefined();
    await sts.current();
    expect(sts.credentials.expiresAtMs).toBe(sts.clock.now() + lifeMs);
  });

  it('keeps valid credentials in use, to their last second, while renewal gets no answer', async () => {
    const sts = new FakeSts();
    await sts.current();
    sts.answers = outage;
    await sts.clock.advance(lifeMs - 1);
    expect(sts.calls).toBeGreaterThan(5);
    expect(await sts.current()).toBe('session-1');
    await sts.clock.advance(1);
    expect(await faultOf(sts.current())).toEqual(outage);
  });

  it('takes up the first answer after an outage in the background', async () => {
    const sts = new FakeSts();
    await sts.current();
    sts.answers = outage;
    await sts.clock.advance(lifeMs - 60_000);
    sts.answers = 'yes';
    await sts.clock.advance(30_000);
    const calls = sts.calls;
    expect(await sts.current()).toBe(`session-${calls}`);
    expect(sts.calls).toBe(calls);
  });

  it('ends a renewal that hangs, and does not let its late answer replace a newer one', async () => {
    const sts = new FakeSts();
    await sts.current();
    sts.answers = 'hang';
    await sts.clock.advance(601_000);
    sts.answers = 'yes';
    await sts.clock.advance(5_000);
    expect(await sts.current()).toBe('session-3');
    sts.release();
    await settled();
    expect(await sts.current()).toBe('session-3');
  });

  it('refuses from the moment a renewal is refused, although the old session is still valid', async () => {
    const sts = new FakeSts();
    await sts.current();
    sts.answers = refusal;
    await sts.clock.advance(601_000);
    expect(await faultOf(sts.current())).toEqual(refusal);
    expect(() => sts.credentials.held()).toThrow(KmsError);
    expect(sts.credentials.expiresAtMs).toBeUndefined();
  });

  it('stays refused while a later renewal gets no answer', async () => {
    const sts = new FakeSts();
    sts.answers = refusal;
    await faultOf(sts.current());
    sts.answers = outage;
    await sts.clock.advance(5_000);
    expect(await faultOf(sts.current())).toEqual(refusal);
    expect(await faultOf(Promise.resolve().then(() => sts.credentials.held()))).toEqual(refusal);
    expect(sts.calls).toBe(2);
    sts.answers = 'yes';
    expect(await sts.current()).toBe('session-3');
  });

  it('asks a refused role again by the next call, at most once a second, and serves once it says yes', async () => {
    const sts = new FakeSts();
    sts.answers = refusal;
    for (let i = 0; i < 20; i++) await faultOf(sts.current());
    expect(sts.calls).toBe(1);
    sts.answers = 'yes';
    expect(await faultOf(sts.current())).toEqual(refusal);
    await sts.clock.advance(1_000);
    expect(await sts.current()).toBe('session-2');
  });

  it('renews at once when a service takes the credentials no longer, once for all who found out', async () => {
    const sts = new FakeSts();
    const used = await sts.credentials.current(never);
    const renewed = await Promise.all(Array.from({ length: 20 }, () => sts.credentials.renew(used, never)));
    expect(new Set(renewed.map((identity) => identity.name))).toEqual(new Set(['session-2']));
    expect((await sts.credentials.renew(used, never)).name).toBe('session-2');
    expect(sts.calls).toBe(2);
  });

  it('renews once a second at most where a service takes no credentials at all, and no less often than that', async () => {
    const sts = new FakeSts();
    const staleCall = async () => {
      const used = await sts.credentials.current(never);
      return (await sts.credentials.renewUnlessFresh(used, never)) !== used;
    };
    expect(await staleCall()).toBe(true);
    expect(await Promise.all(Array.from({ length: 20 }, staleCall))).toEqual(Array(20).fill(false));
    expect(sts.calls).toBe(2);
    await sts.clock.advance(1_000);
    expect(await staleCall()).toBe(true);
    expect(sts.calls).toBe(3);
  });

  it('lets a caller give up its wait, and goes on for the others', async () => {
    const sts = new FakeSts();
    sts.answers = 'hang';
    const controller = new AbortController();
    const hasty = faultOf(sts.current(controller.signal));
    const patient = sts.current();
    controller.abort(new Error('gone'));
    expect(await hasty).toEqual(outage);
    sts.release();
    expect(await patient).toBe('session-1');
    expect(sts.calls).toBe(1);
  });

  it.each([{ kind: 'credentials' }, { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' }, refusal] as const)(
    'asks once a second where all it gets is a definite failure: $kind',
    async (fault) => {
      const sts = new FakeSts();
      sts.answers = fault;
      for (let i = 0; i < 40; i++) expect(await faultOf(sts.current())).toEqual(fault);
      expect(sts.calls).toBe(1);
      await sts.clock.advance(1_000);
      sts.answers = 'yes';
      expect(await sts.current()).toBe('session-2');
    },
  );

  it('asks with every call where there was no answer', async () => {
    const sts = new FakeSts();
    sts.answers = outage;
    for (let i = 0; i < 4; i++) expect(await faultOf(sts.current())).toEqual(outage);
    expect(sts.calls).toBe(4);
  });

  it('never renews credentials that do not expire', async () => {
    const clock = new ManualClock();
    const fetch = async () => ({ name: 'static' });
    using credentials = new RenewingCredentials<Session>({
      provider: 'aws_kms',
      clock,
      random: () => 0,
      timeoutMs: 1_000,
      fetch,
    });
    await credentials.current(never);
    expect(clock.timers).toBe(0);
    expect(credentials.expiresAtMs).toBeUndefined();
  });

  it('does not ask in a rush for credentials that come expired', async () => {
    const clock = new ManualClock();
    let calls = 0;
    const fetch = async () => {
      calls++;
      return { name: 'a', expiration: new Date(clock.now() - 60_000) };
    };
    using credentials = new RenewingCredentials<Session>({
      provider: 'aws_kms',
      clock,
      random: () => 0,
      timeoutMs: 1_000,
      fetch,
    });
    await credentials.current(never);
    await clock.advance(10_000);
    expect(calls).toBeLessThanOrEqual(21);
  });

  it('ends with its disposal: no timer is left, and a late answer starts none', async () => {
    const sts = new FakeSts();
    await sts.current();
    sts.answers = 'hang';
    const used = sts.credentials.held();
    const renewal = sts.credentials.renew(used, never);
    sts.credentials[Symbol.dispose]();
    sts.release();
    await renewal;
    const calls = sts.calls;
    expect(await faultOf(sts.current())).toEqual(outage);
    expect(sts.calls).toBe(calls);
    expect(sts.clock.timers).toBe(0);
    expect(() => sts.credentials.held()).toThrow(KmsError);
  });
});
