/** Reports every call to a key service with its outcome and its time, whatever the provider. */
import type { Clock } from '../base/clock.ts';
import { decorated, type KmsOperation } from './decorated.ts';
import { KmsError } from './fault.ts';
import type { KeyService } from './key-service.ts';

/** How it ended: an answer in the customer's name (`ok`, `refusal`), none (`outage`), or anything else (`fault`). */
export type KmsOutcome = 'ok' | 'refusal' | 'outage' | 'fault';

/** One call that has ended. */
export interface KmsCall {
  readonly provider: string;
  /** `canary`: whatever was asked for the canary's sake. */
  readonly operation: KmsOperation | 'canary';
  readonly outcome: KmsOutcome;
  readonly seconds: number;
  /** Where the call failed. */
  readonly error?: KmsError;
}

/**
 * Wraps `service` so that `report` is told of each call once it has ended. A wrap that succeeded here, without a word of
 * the service, is none: it would look like life during an outage.
 */
export function observed(
  service: KeyService,
  clock: Clock,
  report: (call: KmsCall) => void,
  as?: KmsCall['operation'],
): KeyService {
  return decorated(service, async (asked, signal, call) => {
    const operation = as ?? asked;
    const start = clock.monotonic();
    const { answers } = service;
    const done = (outcome: KmsOutcome, error?: KmsError) => {
      const seconds = (clock.monotonic() - start) / 1000;
      report({ provider: service.provider, operation, outcome, seconds, ...(error && { error }) });
    };
    try {
      const result = await call(signal);
      if (answers === undefined || answers !== service.answers) done('ok');
      return result;
    } catch (error) {
      if (error instanceof KmsError) done(outcomeOf(error), error);
      else done('fault');
      throw error;
    }
  });
}

/** How a call ended that failed so. */
export function outcomeOf(error: KmsError): KmsOutcome {
  const { kind } = error.fault;
  return kind === 'refusal' || kind === 'outage' ? kind : 'fault';
}
