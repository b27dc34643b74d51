/** What the span of a call to a key service says. */
import type { Attributes } from '@opentelemetry/api';
import type { Reason } from '../base/errors.ts';
import { attribute } from './span-names.ts';

/** A call to a key service, retries included. */
export interface KeyCall {
  readonly tenant: string;
  readonly provider: string;
  readonly operation: string;
  /** Host of the service; absent where it follows from the key alone, or there is none. */
  readonly address?: string | undefined;
  /** `background`: work that no caller waits for, which gets a trace of its own. */
  readonly way: 'live' | 'background';
}

/** How a call to a key service, or one attempt at it, ended. */
export interface KeyCallEnd {
  readonly outcome: string;
  readonly reason?: Reason | undefined;
  readonly providerCode?: string | undefined;
  readonly requestId?: string | undefined;
}

/** What is known when it begins. */
export function keyCallAttributes({ tenant, provider, operation, address }: KeyCall): Attributes {
  return {
    [attribute.tenant]: tenant,
    [attribute.provider]: provider,
    [attribute.operation]: operation,
    ...(address !== undefined && { [attribute.serverAddress]: address }),
  };
}

/** What is known when it, or an attempt at it, has ended. */
export function endAttributes({ outcome, reason, providerCode, requestId }: KeyCallEnd): Attributes {
  return {
    [attribute.outcome]: outcome,
    ...(reason !== undefined && { [attribute.errorType]: reason }),
    ...(providerCode !== undefined && { [attribute.providerCode]: providerCode }),
    ...(requestId !== undefined && { [attribute.requestId]: requestId }),
  };
}
