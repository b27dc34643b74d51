/** Reports every call to a key service with its outcome and its time, whatever the provider. */
import type { Clock } from '../base/clock.ts';
import type { EncryptedDataKey } from '../base/encrypted-data-key.ts';
import { KmsError } from './fault.ts';
import type { KeyService } from './key-service.ts';

/** What was asked of a key service. */
export type KmsOperation = 'generate' | 'wrap' | 'unwrap';

/** How it ended: an answer in the customer's name (`ok`, `refusal`), none (`outage`), or anything else (`fault`). */
export type KmsOutcome = 'ok' | 'refusal' | 'outage' | 'fault';

export interface KmsCall {
  readonly provider: string;
  readonly operation: KmsOperation;
  readonly outcome: KmsOutcome;
  readonly seconds: number;
  /** Where the call failed. */
  readonly error?: KmsError;
}

/** Wraps `service` so that `report` is told of each call once it has ended. */
export function observed(service: KeyService, clock: Clock, report: (call: KmsCall) => void): KeyService {
  async function timed<R>(operation: KmsOperation, run: () => Promise<R>): Promise<R> {
    const start = clock.monotonic();
    const done = (outcome: KmsOutcome, error?: KmsError) => {
      const seconds = (clock.monotonic() - start) / 1000;
      report({ provider: service.provider, operation, outcome, seconds, ...(error && { error }) });
    };
    try {
      const result = await run();
      done('ok');
      return result;
    } catch (error) {
      if (error instanceof KmsError) done(outcomeOf(error), error);
      else done('fault');
      throw error;
    }
  }
  return {
    provider: service.provider,
    keyId: service.keyId,
    owns: (entry: EncryptedDataKey) => service.owns(entry),
    describe: (entry) => service.describe(entry),
    generate: (request) => timed('generate', () => service.generate(request)),
    wrap: (request) => timed('wrap', () => service.wrap(request)),
    unwrap: (request) => timed('unwrap', () => service.unwrap(request)),
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}

function outcomeOf(error: KmsError): KmsOutcome {
  const { kind } = error.fault;
  return kind === 'refusal' || kind === 'outage' ? kind : 'fault';
}
