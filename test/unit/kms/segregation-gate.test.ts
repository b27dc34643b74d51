/** When a tenant's keys are shut, and when they open again. */
import { describe, expect, it } from 'vitest';
import { KmsError, type KmsFault } from '../../../src/kms/fault.ts';
import type { KeyFacts } from '../../../src/kms/key-facts.ts';
import { SegregationGate } from '../../../src/kms/segregation-gate.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { ManualClock } from './manual-clock.ts';

const silence: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const roleDenied: KmsFault = { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true };
const minuteMs = 60_000;

class NamedKey extends FakeKeyService {
  name = 'prod-orders';
  factsFault: KmsFault | undefined;
  reads = 0;

  async facts(): Promise<KeyFacts> {
    this.reads++;
    if (this.factsFault !== undefined) {
      throw new KmsError(this.factsFault, { provider: 'local', operation: 'ReadFacts' });
    }
    return { names: [this.name], tags: new Map() };
  }
}

function scene() {
  const clock = new ManualClock();
  const rule = { environment: 'production', keyPrefix: 'prod-', requiredTags: new Map(), approvalRequired: false };
  const gate = new SegregationGate({ rule, clock, random: () => 0, timeoutMs: 100 });
  const [current, replica] = [new NamedKey('a'), new NamedKey('b')];
  const told: string[] = [];
  const judged = (part: string, service: NamedKey) => ({
    ...{ part, service },
    onChange: (problem: string | undefined) => told.push(`${part} ${problem === undefined ? 'inside' : 'outside'}`),
    onRefusal: (error: KmsError) => told.push(`${part} ${error.fault.kind}`),
  });
  const begin = async () => {
    const begun = gate.judge([judged('current', current), judged('replica 1', replica)]);
    // Pauses between attempts are over at once here, but over by the clock.
    await clock.advance(0);
    await begun;
  };
  /** What a call to a part meets: `open`, or the reason and what follows it. */
  const meets = (part: string): string => {
    try {
      gate.expectOpen(part);
      return 'open';
    } catch (error) {
      if (!(error instanceof KmsError) || !('reason' in error.fault)) throw error;
      return [error.fault.reason, error.details.advice?.split(':')[0]].filter((text) => text !== undefined).join(' ');
    }
  };
  const pass = (milliseconds: number) => clock.advance(milliseconds);
  return { clock, gate, current, replica, told, begin, meets, pass };
}

describe('A gate', () => {
  it('lets calls through to keys that fit, and asks again in a quarter of an hour', async () => {
    const { gate, current, begin, meets, pass, told } = scene();
    using _gate = gate;
    await begin();
    expect(['current', 'replica 1', 'retired 1'].map(meets)).toEqual(['open', 'open', 'open']);
    await pass(15 * minuteMs - 1);
    expect(current.reads).toBe(1);
    await pass(1);
    expect(current.reads).toBe(2);
    expect(told).toEqual([]);
  });

  it.each(['current', 'replica 1'])('shuts all keys of the tenant for one that does not fit, %s', async (part) => {
    const { gate, current, replica, begin, meets, told } = scene();
    using _gate = gate;
    (part === 'current' ? current : replica).name = 'stage-orders';
    await begin();
    const who = part === 'current' ? 'the current key' : part;
    for (const called of ['current', 'replica 1', 'retired 1']) {
      expect(meets(called)).toBe(`KEY_OUTSIDE_SEGREGATION ${who}`);
    }
    expect(told).toEqual([`${part} outside`]);
  });

  it('opens them within half a minute after the key has been set right', async () => {
    const { gate, current, begin, meets, pass, told } = scene();
    using _gate = gate;
    current.name = 'stage-orders';
    await begin();
    current.name = 'prod-orders';
    await pass(30_000);
    expect(meets('current')).toBe('open');
    expect(told).toEqual(['current outside', 'current inside']);
  });

  it('shuts a key that has lost its name, with the next question', async () => {
    const { gate, current, begin, meets, pass } = scene();
    using _gate = gate;
    await begin();
    current.name = 'orders';
    await pass(15 * minuteMs);
    expect(meets('current')).toBe('KEY_OUTSIDE_SEGREGATION the current key');
  });

  it('opens no key of which nothing could be learned, and lets the others serve', async () => {
    const { gate, current, begin, meets, pass, told } = scene();
    using _gate = gate;
    current.factsFault = silence;
    await begin();
    expect(meets('current')).toBe('KEY_SERVICE_UNAVAILABLE');
    expect(meets('replica 1')).toBe('open');
    current.factsFault = undefined;
    await pass(10_000);
    expect(meets('current')).toBe('open');
    expect(told).toEqual([]);
  });

  it('leaves a key that is known as it is during an outage', async () => {
    const { gate, current, replica, begin, meets, pass } = scene();
    using _gate = gate;
    replica.name = 'orders';
    await begin();
    [current, replica].forEach((key) => {
      key.factsFault = silence;
    });
    await pass(30 * minuteMs);
    expect(meets('current')).toBe('KEY_OUTSIDE_SEGREGATION replica 1');
    replica.factsFault = undefined;
    replica.name = 'prod-orders';
    await pass(30 * minuteMs);
    expect(meets('current')).toBe('open');
  });

  it('tells of a refusal, and takes it for none of its own', async () => {
    const { gate, current, begin, meets, pass, told } = scene();
    using _gate = gate;
    await begin();
    current.factsFault = roleDenied;
    await pass(15 * minuteMs);
    expect(told).toEqual(['current refusal']);
    expect(meets('current')).toBe('open');
  });

  it('takes what may not be read for a key that does not fit', async () => {
    const { gate, current, begin, meets } = scene();
    using _gate = gate;
    current.factsFault = { kind: 'config', reason: 'KEY_OUTSIDE_SEGREGATION' };
    await begin();
    expect(meets('replica 1')).toBe('KEY_OUTSIDE_SEGREGATION the current key');
  });

  it('asks nobody any more once it is disposed of', async () => {
    const { gate, current, begin, pass } = scene();
    await begin();
    gate[Symbol.dispose]();
    await pass(60 * minuteMs);
    expect(current.reads).toBe(1);
  });
});
