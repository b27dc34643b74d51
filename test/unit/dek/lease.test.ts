/** Leases and flights: one value, many users, wiped once and only after the last of them. */
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Lease } from '../../../src/dek/lease.ts';
import { LeaseFlights } from '../../../src/dek/lease-flights.ts';
import { FakeSecret } from '../../support/fake-secret.ts';

const gaveUp = new Error('gave up');
const { signal: patient } = new AbortController();

/** A piece of work that ends when the test says so, and counts how often it was begun. */
function heldWork() {
  const result = Promise.withResolvers<Lease<FakeSecret>>();
  const work = {
    begun: 0,
    secret: new FakeSecret('result'),
    run: () => {
      work.begun += 1;
      return result.promise;
    },
    succeed: () => result.resolve(Lease.own(work.secret)),
    fail: (error: Error) => result.reject(error),
  };
  return work;
}

describe('Lease', () => {
  it('disposes of its value with the last lease, once, in whatever order they go', () => {
    const secret = new FakeSecret('x');
    const first = Lease.own(secret);
    const second = first.share();
    const third = second.share();
    first[Symbol.dispose]();
    third[Symbol.dispose]();
    expect(secret.disposals).toBe(0);
    expect(second.value).toBe(secret);
    second[Symbol.dispose]();
    expect(secret.disposals).toBe(1);
  });

  it('lets go once: a second disposal takes nothing from the others', () => {
    const secret = new FakeSecret('x');
    const first = Lease.own(secret);
    using second = first.share();
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(secret.disposals).toBe(0);
    expect(second.value).toBe(secret);
  });

  it('cannot be used or shared after it was let go', () => {
    const lease = Lease.own(new FakeSecret('x'));
    lease[Symbol.dispose]();
    expect(() => lease.value).toThrow('after it had been let go');
    expect(() => lease.share()).toThrow('after it had been let go');
  });
});

describe('LeaseFlights.join', () => {
  it('makes one piece of work of 1,000 joins, and gives each a lease of its own', async () => {
    const flights = new LeaseFlights<FakeSecret>();
    const work = heldWork();
    const joins = Array.from({ length: 1000 }, () => flights.join('k', work.run, patient));
    expect(flights.has('k')).toBe(true);
    work.succeed();
    const leases = await Promise.all(joins);
    expect(work.begun).toBe(1);
    expect(flights.has('k')).toBe(false);
    for (const lease of leases.slice(1)) lease[Symbol.dispose]();
    expect(work.secret.disposals).toBe(0);
    leases[0]?.[Symbol.dispose]();
    expect(work.secret.disposals).toBe(1);
    expect(getEventListeners(patient, 'abort')).toHaveLength(0);
  });

  it('keeps flights of other keys apart', async () => {
    const flights = new LeaseFlights<FakeSecret>();
    const [a, b] = [heldWork(), heldWork()];
    const joins = [flights.join('a', a.run, patient), flights.join('b', b.run, patient)];
    b.succeed();
    a.succeed();
    const [first, second] = await Promise.all(joins);
    expect([first?.value, second?.value]).toEqual([a.secret, b.secret]);
    expect([a.begun, b.begun]).toEqual([1, 1]);
  });

  it('hands a failure to those who waited and to no later caller', async () => {
    const flights = new LeaseFlights<FakeSecret>();
    const [first, second] = [heldWork(), heldWork()];
    const joins = [flights.join('k', first.run, patient), flights.join('k', first.run, patient)];
    const failure = new Error('no');
    first.fail(failure);
    const settled = await Promise.allSettled(joins);
    expect(settled).toEqual([
      { status: 'rejected', reason: failure },
      { status: 'rejected', reason: failure },
    ]);
    second.succeed();
    using lease = await flights.join('k', second.run, patient);
    expect(lease.value).toBe(second.secret);
  });

  it('takes work that throws at once for a failed flight', async () => {
    const flights = new LeaseFlights<FakeSecret>();
    const broken = () => {
      throw new Error('at once');
    };
    await expect(flights.join('k', broken, patient)).rejects.toThrow('at once');
    expect(flights.has('k')).toBe(false);
  });

  it('lets one waiter give up and leaves the flight to the rest', async () => {
    const flights = new LeaseFlights<FakeSecret>();
    const work = heldWork();
    const controller = new AbortController();
    const hasty = flights.join('k', work.run, controller.signal);
    const other = flights.join('k', work.run, patient);
    controller.abort(gaveUp);
    await expect(hasty).rejects.toBe(gaveUp);
    work.succeed();
    {
      using lease = await other;
      expect(lease.value).toBe(work.secret);
    }
    expect(work).toMatchObject({ begun: 1, secret: { disposals: 1 } });
  });

  it('wipes a success that comes after everybody has given up', async () => {
    const flights = new LeaseFlights<FakeSecret>();
    const work = heldWork();
    const controller = new AbortController();
    const joins = [1, 2, 3].map(() => flights.join('k', work.run, controller.signal));
    controller.abort(gaveUp);
    await Promise.allSettled(joins);
    expect(flights.has('k')).toBe(true);
    work.succeed();
    await new Promise((done) => setImmediate(done));
    expect(work.secret.disposals).toBe(1);
    expect(flights.has('k')).toBe(false);
  });

  it('lets late callers join a flight that the first one gave up', async () => {
    const flights = new LeaseFlights<FakeSecret>();
    const work = heldWork();
    const controller = new AbortController();
    const first = flights.join('k', work.run, controller.signal);
    controller.abort(gaveUp);
    await expect(first).rejects.toBe(gaveUp);
    const late = flights.join('k', work.run, patient);
    work.succeed();
    using lease = await late;
    expect(lease.value).toBe(work.secret);
    expect(work.begun).toBe(1);
  });

  it('starts nothing for a caller who has given up before', async () => {
    const flights = new LeaseFlights<FakeSecret>();
    const work = heldWork();
    await expect(flights.join('k', work.run, AbortSignal.abort(gaveUp))).rejects.toBe(gaveUp);
    expect(work.begun).toBe(0);
    expect(flights.has('k')).toBe(false);
  });
});
