/** An audit in memory: each entry is a line; a test says when they are written, and whether they can be. */
import { KeyproxyError } from '../../src/base/errors.ts';
import type { AuditTrail, Outcome, Ticket } from '../../src/operations/audit-trail.ts';
import type { Subject } from '../../src/operations/standing.ts';

export class FakeAudit implements AuditTrail {
  /** `begin encrypt acme socket`, `end encrypt acme socket ok KEY`; in the order in which they came. */
  readonly lines: string[] = [];
  /** Whether the sink takes anything. */
  isFailing = false;
  /** Resolves when what comes is written. */
  written: Promise<void> = Promise.resolve();

  begin(subject: Subject): Ticket {
    if (this.isFailing) throw new KeyproxyError('AUDIT_UNAVAILABLE');
    this.lines.push(`begin ${words(subject)}`);
    return { begun: () => this.#done(), end: (outcome) => this.note(subject, outcome) };
  }

  note(subject: Subject, { outcome, reason, key, providerRequestId }: Outcome): Promise<void> {
    if (!this.isFailing) {
      const more = [reason, key?.keyId, providerRequestId].filter((word) => word !== undefined);
      this.lines.push(['end', words(subject), outcome, ...more].join(' '));
    }
    return this.#done();
  }

  async #done(): Promise<void> {
    if (this.isFailing) throw new KeyproxyError('AUDIT_UNAVAILABLE');
    await this.written;
  }
}

function words({ operation, tenant, caller }: Subject): string {
  return `${operation} ${tenant} ${caller}`;
}
