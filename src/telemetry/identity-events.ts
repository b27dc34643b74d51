/** What is heard of callers before they are callers: keys of issuers, certificates, and who could not be told. */
import type { Clock } from '../base/clock.ts';
import type { Reason } from '../base/errors.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { SparingLog } from './sparing-log.ts';

export interface IdentityEvents {
  issuerKeys(state: 'fetched' | 'unavailable', cause?: unknown): void;
  certificates(outcome: 'loaded' | 'failed', cause?: unknown): void;
  /** A call said who makes it in no way that is accepted. */
  callRefused(reason: Reason): void;
  /** A connection whose client has no certificate that is accepted; `why` holds nothing that it sent. */
  connectionRefused(why: string): void;
}

/** What the ways to tell callers report to. */
export function identityEvents(metrics: Metrics, log: Log, clock: Clock): IdentityEvents {
  const sparing = new SparingLog(clock);
  return {
    issuerKeys(state, cause) {
      if (state === 'fetched') log.info('the keys of the token issuer were fetched');
      else log.error({ fault: messageOf(cause) }, 'the keys of the token issuer cannot be fetched');
    },
    certificates(outcome, cause) {
      if (outcome === 'loaded') log.info('new certificates are in use');
      else log.error({ fault: messageOf(cause) }, 'new certificates cannot be used, the old ones stay');
    },
    callRefused(reason) {
      metrics.callersRefused.inc({ identity: 'token' });
      sparing.tell(`token ${reason}`, (leftOut) =>
        log.warn({ reason, left_out: leftOut }, 'a call was refused because its caller cannot be told'),
      );
    },
    connectionRefused(why) {
      metrics.callersRefused.inc({ identity: 'mtls' });
      sparing.tell(`mtls ${why}`, (leftOut) => log.warn({ why, left_out: leftOut }, 'a TLS connection was refused'));
    },
  };
}

function messageOf(cause: unknown): string | undefined {
  return cause instanceof Error ? cause.message : undefined;
}
