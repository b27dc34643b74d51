/** Where operations are recorded: an entry is on its way before a key is touched, and the outcome follows. */
import type { Reason } from '../base/errors.ts';
import type { KeyInfo } from '../kms/key-service.ts';
import type { ProviderNote } from '../kms/provider-note.ts';
import type { Subject } from './standing.ts';

/** How an operation ended. */
export interface Outcome {
  readonly outcome: 'ok' | 'failed' | 'denied';
  readonly reason?: Reason;
  readonly key?: KeyInfo;
  /** What finds the matching entry in the customer's own log. */
  readonly providerRequestId?: string | undefined;
}

/** One operation whose beginning is recorded. */
export interface Ticket {
  /** Resolves when that is written. Rejects with `AUDIT_UNAVAILABLE`. */
  begun(): Promise<void>;
  /** Records the outcome; resolves when all of the operation is written. Rejects with `AUDIT_UNAVAILABLE`. */
  end(outcome: Outcome): Promise<void>;
}

export interface AuditTrail {
  /** Throws `AUDIT_UNAVAILABLE` where nothing can be recorded for now, and nothing may be done without. */
  begin(subject: Subject): Ticket;
  /** Records an outcome without a beginning. Rejects with `AUDIT_UNAVAILABLE`. */
  note(subject: Subject, outcome: Outcome): Promise<void>;
}

const written = Promise.resolve();

/** What an answer stands on: a key that may be withdrawn at any moment. */
export interface Foundation {
  /** Throws the public failure where it has been since the request began. */
  confirm(): void;
}

/** What one call leaves in the audit, and what it learns on its way for that. */
export class CallRecord {
  readonly #trail: AuditTrail;
  readonly #subject: Subject;
  #note: ProviderNote | undefined;
  readonly #foundations: Foundation[] = [];
  /** Absent where only failures are recorded. */
  readonly #ticket: Ticket | undefined;

  /** Throws `AUDIT_UNAVAILABLE`. */
  constructor(trail: AuditTrail, subject: Subject, { isFull }: { isFull: boolean }) {
    this.#trail = trail;
    this.#subject = subject;
    this.#ticket = isFull ? trail.begin(subject) : undefined;
  }

  /** Takes how the key service calls its request. */
  get note(): ProviderNote {
    this.#note ??= {};
    return this.#note;
  }

  /** The answer stands on this, which is looked at now and again before it leaves. Throws the public failure. */
  standsOn(foundation: Foundation): void {
    foundation.confirm();
    this.#foundations.push(foundation);
  }

  /** The last look, when the outcome has been written: that takes its time. Throws the public failure. */
  confirm(): void {
    for (const foundation of this.#foundations) foundation.confirm();
  }

  /** Nothing leaves for a key service before this resolves. */
  begun(): Promise<void> {
    return this.#ticket?.begun() ?? written;
  }

  succeeded(key: KeyInfo): Promise<void> {
    return this.#ticket?.end({ outcome: 'ok', key, providerRequestId: this.#note?.requestId }) ?? written;
  }

  /** `providerRequestId`: of the answer that was the failure. */
  failed(reason: Reason, of: { key: KeyInfo; providerRequestId: string | undefined }): Promise<void> {
    const outcome = { outcome: 'failed', reason, ...of } as const;
    return this.#ticket?.end(outcome) ?? this.#trail.note(this.#subject, outcome);
  }
}
