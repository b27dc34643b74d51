/**
 * One call in the log: two lines, its begin and its end; or one that tells of both, where it ends while the block that
 * it began in still gathers. None of the call was written then before all of it is.
 */
import type { Clock } from '../base/clock.ts';
import type { Beginning, Block } from './block.ts';
import type { AuditOutcome } from './entry.ts';
import type { EntryLines } from './entry-lines.ts';
import type { CallForms } from './line-form.ts';
import type { ChainWriter } from './writer.ts';

/** One call in the log. */
export interface AuditTicket {
  /**
   * Settles when the begin entry is written. To be awaited before anything leaves for a key service. Rejects as `end`
   * does.
   */
  begun(): Promise<void>;
  /**
   * Notes the outcome, once; resolves when everything of this call is written. Rejects with a `KeyproxyError` of
   * `AUDIT_UNAVAILABLE` where the sink fails and the choice is to refuse: the call must not be answered then. The
   * entry may still be written when the sink works again.
   */
  end(outcome: AuditOutcome): Promise<void>;
}

/** What lines are made and written with. */
interface TicketParts {
  readonly clock: Clock;
  readonly writer: ChainWriter;
  readonly lines: EntryLines;
}

export class Ticket implements AuditTicket, Beginning {
  readonly #parts: TicketParts;
  readonly #forms: CallForms;
  readonly #call: number;
  readonly #time: number;
  readonly #begun: Promise<void>;
  /** The block that wants a line of the begin when it closes. */
  #block: Block | undefined;

  /** The call with the number `call` begins. */
  constructor(parts: TicketParts, forms: CallForms, call: number) {
    const { clock, writer, lines } = parts;
    this.#parts = parts;
    this.#forms = forms;
    this.#call = call;
    this.#time = clock.now();
    this.#block = writer.open();
    this.#block?.begins(this, lines.lengthOf(forms.begin));
    this.#begun = writer.added();
  }

  addTo(block: Block): void {
    if (this.#block === undefined) return;
    this.#block = undefined;
    this.#parts.lines.addBegin(block, { form: this.#forms.begin, call: this.#call, time: this.#time });
  }

  begun(): Promise<void> {
    return this.#begun;
  }

  end(outcome: AuditOutcome): Promise<void> {
    const { clock, writer, lines } = this.#parts;
    const now = clock.now();
    const [block, own] = [writer.open(), this.#block];
    if (block !== undefined && block === own) {
      this.#block = undefined;
      block.ends(lines.lengthOf(this.#forms.begin));
      const line = { form: this.#forms.call, call: this.#call, time: this.#time };
      lines.addEnd(block, line, { outcome, ...(now !== this.#time && { ended: now }) });
    } else if (block !== undefined) {
      lines.addEnd(block, { form: this.#forms.end, call: this.#call, time: now }, { outcome });
    }
    return writer.added();
  }
}
