/** Writes entries into blocks as lines, from forms that are made once and filled in. */
import type { Block } from './block.ts';
import type { AuditOutcome } from './entry.ts';
import { FormCache } from './forms.ts';
import { type LineForm, LineNumber, longestNumber, outcomeForm, outcomeForms } from './line-form.ts';
import { quoted } from './text.ts';

/** Forms of outcomes that are kept, each of some hundred bytes in all but odd cases. */
const [mostKeys, mostReasons] = [1024, 64];

/** Of a time: `2026-03-01T12:00:00.123Z`. */
const stampLength = 24;

const endedHead = ',"ended":"';

/** What a line says. Times are in milliseconds since 1970. */
interface Line {
  readonly form: LineForm;
  /** The call's number. */
  readonly call: number;
  readonly time: number;
}

export class EntryLines {
  readonly #number: LineNumber;
  readonly #keys = new FormCache(mostKeys, outcomeForms);
  readonly #keyless = outcomeForms();
  readonly #stamp = Buffer.alloc(stampLength);
  #stampTime = Number.NaN;
  readonly #ended = Buffer.from(`${endedHead}${'-'.repeat(stampLength)}"`, 'latin1');
  #endedTime = Number.NaN;

  /** Counts on from the entry `last`. */
  constructor(last: number) {
    this.#number = new LineNumber(last);
  }

  /** The begin of a call. */
  addBegin(block: Block, { form, call, time }: Line): void {
    this.#number.next();
    form.stamp(time, this.#stampOf(time));
    block.addEntry(this.#number, form, call);
  }

  /** The end of a call; `ended` where the line's time is not that of its end. */
  addEnd(block: Block, line: Line, { outcome, ended }: { outcome: AuditOutcome; ended?: number }): void {
    this.addBegin(block, line);
    block.addBytes(this.#formOf(outcome));
    const { providerRequestId } = outcome;
    if (providerRequestId !== undefined) block.addText(`,"provider_request_id":${quoted(providerRequestId)}`);
    if (ended !== undefined) block.addBytes(this.#endedAt(ended));
    block.endLine();
  }

  /** Bytes that a begin of this form takes at most. */
  lengthOf(form: LineForm): number {
    return longestNumber + form.bytes.length;
  }

  #stampOf(time: number): Buffer {
    if (time !== this.#stampTime) {
      this.#stampTime = time;
      this.#stamp.write(new Date(time).toISOString(), 'latin1');
    }
    return this.#stamp;
  }

  #endedAt(time: number): Buffer {
    if (time !== this.#endedTime) {
      this.#endedTime = time;
      this.#ended.write(new Date(time).toISOString(), endedHead.length, 'latin1');
    }
    return this.#ended;
  }

  #formOf(outcome: AuditOutcome): Buffer {
    const { key, reason } = outcome;
    const forms = key === undefined ? this.#keyless : this.#keys.get(key.provider, key.keyId, key.keyVersion);
    const ofReason = forms[outcome.outcome];
    let form = ofReason.get(reason);
    if (form === undefined) {
      form = outcomeForm(outcome);
      if (ofReason.size < mostReasons) ofReason.set(reason, form);
    }
    return form;
  }
}
