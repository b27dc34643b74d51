/** One who uses a data key all the time while its customer takes it away and gives it back, and writes down what came. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceError } from '@grpc/grpc-js';
import type { KeyProxyClient } from './client.ts';
import { toldBy } from './client-errors.ts';
import { intervalMs, type WayOfWithdrawal, type Withdrawal } from './withdrawals.ts';

/** What was seen of one withdrawal, in milliseconds and calls. */
export interface Witness {
  readonly way: WayOfWithdrawal;
  /** From the no to the last plaintext that reached the caller. */
  readonly lastPlaintextMs: number;
  /** Plaintexts between the first failure and the yes: there must be none. */
  readonly plaintextsAfter: number;
  /** What the failures between the two said. */
  readonly reasons: ReadonlySet<string>;
  readonly callsBefore: number;
  readonly failures: number;
  /** From the yes to the first plaintext. */
  readonly servedAgainMs: number;
}

export interface WitnessOptions {
  readonly client: KeyProxyClient;
  /** From the first cache hit to the no. */
  readonly phaseMs: number;
  /** Between two calls. */
  readonly everyMs: number;
  /** How long the no is left to last after it was heard. */
  readonly refusedMs: number;
}

/**
 * Unwraps one cached data key again and again, takes the key away in between, and gives it back. Rejects where no call
 * fails within two intervals of the no, none succeeds within two of the yes, or another key comes back.
 */
export async function witness(withdrawal: Withdrawal, options: WitnessOptions): Promise<Witness> {
  const { way, tenant: tenant_id } = withdrawal;
  const { client, phaseMs, everyMs, refusedMs } = options;
  withdrawal.prepare();
  const made = await firstKey(client, tenant_id);
  const request = { tenant_id, wrapped_dek: made.wrapped_dek };
  const unwrap = async (): Promise<string> => {
    const opened = await client.call<{ plaintext: Buffer }>('Unwrap', request).catch((error: ServiceError) => error);
    if (opened instanceof Error) return toldBy(opened).reason;
    if (!opened.plaintext.equals(made.plaintext)) throw new Error(`${tenant_id}: another key came back`);
    return 'ok';
  };
  /** Calls at a steady pace until `isOver` says so after one; rejects after `limitMs`. */
  const load = async (limitMs: number, isOver: (outcome: string, at: number) => boolean) => {
    const begin = performance.now();
    for (let due = begin; ; due += everyMs) {
      await sleep(Math.max(0, due - performance.now()));
      const outcome = await unwrap();
      const at = performance.now();
      if (isOver(outcome, at)) return;
      if (at - begin > limitMs) throw new Error(`${tenant_id}: still ${outcome} after ${limitMs} ms`);
    }
  };
  const reasons = new Set<string>();
  let [callsBefore, failures, plaintextsAfter] = [0, 0, 0];
  const start = performance.now();
  await load(2 * phaseMs + intervalMs, (outcome, at) => {
    if (outcome !== 'ok') throw new Error(`${tenant_id}: ${outcome} before the no`);
    callsBefore++;
    return at - start >= phaseMs;
  });
  withdrawal.no();
  const noAt = performance.now();
  let lastAt = noAt;
  await load(2 * intervalMs, (outcome, at) => {
    if (outcome === 'ok') lastAt = at;
    else reasons.add(outcome);
    return outcome !== 'ok';
  });
  const heardAt = performance.now();
  await load(refusedMs + intervalMs, (outcome, at) => {
    if (outcome === 'ok') [plaintextsAfter, lastAt] = [plaintextsAfter + 1, at];
    else [failures] = [failures + 1, reasons.add(outcome)];
    return at - heardAt >= refusedMs;
  });
  withdrawal.yes();
  const yesAt = performance.now();
  await load(2 * intervalMs, (outcome) => outcome === 'ok');
  return {
    ...{ way, plaintextsAfter, reasons, callsBefore, failures },
    lastPlaintextMs: lastAt - noAt,
    servedAgainMs: performance.now() - yesAt,
  };
}

/** The first calls of many tenants at the same time may be over their time on a small machine. */
async function firstKey(
  client: KeyProxyClient,
  tenant_id: string,
): Promise<{ plaintext: Buffer; wrapped_dek: Buffer }> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.call<{ plaintext: Buffer; wrapped_dek: Buffer }>('GenerateDEK', { tenant_id });
    } catch (error) {
      if (attempt === 5) throw error;
      await sleep(500);
    }
  }
}
