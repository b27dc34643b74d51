/** A key service in memory that gives one of the answers of the table of faults. */
import type { KmsFault } from '../../src/kms/fault.ts';
import { FakeKeyService } from './fake-key-service.ts';
import type { AnswerKind } from './fault-cells.ts';

const silence: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };

/** What the adapters make of each answer; `hang` is one by its absence. */
const faults: Readonly<Record<Exclude<AnswerKind, 'ok' | 'hang'>, KmsFault>> = {
  denied: { kind: 'refusal', reason: 'KEY_ACCESS_DENIED', keyWide: false },
  disabled: { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true },
  'role denied': { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true },
  reset: silence,
  internal: silence,
  throttled: { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' },
  'invalid state': { kind: 'ambiguous', reason: 'KEY_STATE_INVALID' },
  'not found': { kind: 'ambiguous', reason: 'KEY_NOT_FOUND' },
  data: { kind: 'data' },
  config: { kind: 'config', reason: 'KEY_UNSUITABLE' },
};

export class AnsweringKey extends FakeKeyService {
  #answer: AnswerKind = 'ok';

  /** What it says from now on. */
  set answer(answer: AnswerKind) {
    this.#answer = answer;
    // Only an answer with a request id is one; without it is a silence.
    this.isMute = answer === 'reset';
    this.fault = answer === 'ok' || answer === 'hang' || answer === 'data' ? undefined : faults[answer];
    this.gate = answer === 'hang' ? new Promise(() => {}) : undefined;
  }

  override async unwrap(request: Parameters<FakeKeyService['unwrap']>[0]) {
    if (this.#answer !== 'data') return await super.unwrap(request);
    // The data is at fault, and nothing else: the key still makes and wraps.
    this.fault = faults.data;
    try {
      return await super.unwrap(request);
    } finally {
      this.fault = undefined;
    }
  }
}
