/**
 * The audit log: who asked for what, written before anything leaves for a key service, and what came of it, written
 * before it is answered. A call whose answer was given is in the log, whatever kills the process then; a failing disk
 * means a no, or a gap that the log itself tells of, as the operator chooses. Building an entry copies bytes and waits
 * for nothing.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { AuditOutcome, AuditSubject } from './entry.ts';
import type { AuditAlarm } from './failure.ts';
import { openFileChain } from './file-chain.ts';
import { FormCache } from './forms.ts';
import { type CallForms, callForms, type LineForm, LineNumber, outcomeForm, outcomeForms } from './line-form.ts';
import { type Output, standardOutput, systemWrite, type WriteBytes } from './output.ts';
import { noHash } from './seal.ts';
import { quoted } from './text.ts';
import { ChainWriter, type OnFailure } from './writer.ts';

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

/** Counts since the start, for metrics. */
export interface AuditState {
  /** Entries in the sink. */
  readonly written: number;
  /** Calls that could not begin. */
  readonly refused: number;
  /** Entries that had no room while the sink failed. */
  readonly lost: number;
  readonly blocks: number;
  readonly bytes: number;
  /** Bytes in memory. */
  readonly waitingBytes: number;
  readonly isFailing: boolean;
}

export interface AuditLog extends AsyncDisposable {
  /** Throws a `KeyproxyError` of `AUDIT_UNAVAILABLE` where the sink fails and the choice is to refuse. */
  begin(subject: AuditSubject): AuditTicket;
  /** An end with no begin: a denial, or a failure where not every operation is recorded. Settles as a ticket's end. */
  note(subject: AuditSubject, outcome: AuditOutcome): Promise<void>;
  readonly state: AuditState;
}

/** Where the log goes. */
export type AuditSink =
  | { readonly kind: 'stdout' }
  | {
      readonly kind: 'file';
      /** Absolute. */
      readonly path: string;
      /** A file of this many bytes is full, and the chain goes on in a new one. */
      readonly maxFileBytes: number;
      /** Full files are deleted this many days after their last entry. */
      readonly retentionDays: number;
    };

export interface AuditLogOptions {
  readonly sink: AuditSink;
  readonly onFailure: OnFailure;
  readonly clock: Clock;
  readonly onAlarm: (alarm: AuditAlarm) => void;
  /** Writes to a descriptor; the system's own where none is given. */
  readonly write?: WriteBytes;
}

/** Forms of subjects and of outcomes that are kept, each of some hundred bytes in all but odd cases. */
const [mostSubjects, mostKeys, mostReasons] = [4096, 1024, 64];

/** Opens the log and goes on with the chain that is there. Throws an AuditOpenError where it cannot. */
export async function openAuditLog(options: AuditLogOptions): Promise<AuditLog> {
  const { sink, clock, onAlarm, write = systemWrite } = options;
  const output =
    sink.kind === 'stdout'
      ? standardOutput({ block: 0, seq: 0, hash: noHash }, write)
      : await openFileChain({ ...sink, clock, onAlarm, write });
  return new Log(output, options);
}

class Log implements AuditLog {
  readonly #clock: Clock;
  readonly #writer: ChainWriter;
  readonly #number: LineNumber;
  readonly #subjects: FormCache<CallForms>;
  /** The same by the object, where somebody asks with the same one again. */
  readonly #forms = new WeakMap<AuditSubject, CallForms>();
  readonly #keys = new FormCache(mostKeys, outcomeForms);
  readonly #keyless = outcomeForms();
  readonly #stamp = Buffer.alloc(24);
  #stampTime = Number.NaN;
  #calls = 0;
  #refused = 0;

  constructor(output: Output, { clock, onFailure, onAlarm }: AuditLogOptions) {
    const run = randomBytes(6).toString('hex');
    this.#clock = clock;
    this.#writer = new ChainWriter(output, { clock, onFailure, onAlarm });
    this.#number = new LineNumber(output.end.seq);
    this.#subjects = new FormCache(mostSubjects, (caller, tenant, operation) =>
      callForms({ caller, tenant, operation }, run),
    );
  }

  get state(): AuditState {
    const { written, lost, blocks, bytes, waitingBytes, isFailing } = this.#writer;
    return { written, refused: this.#refused, lost, blocks, bytes, waitingBytes, isFailing };
  }

  begin(subject: AuditSubject): AuditTicket {
    const { refusal } = this.#writer;
    if (refusal !== undefined) {
      this.#refused += 1;
      throw refusal;
    }
    const forms = this.#formsOf(subject);
    this.#calls += 1;
    return new Ticket(this, { forms, call: this.#calls, begun: this.#add(forms.begin, this.#calls) });
  }

  note(subject: AuditSubject, outcome: AuditOutcome): Promise<void> {
    this.#calls += 1;
    return this.end(this.#formsOf(subject), this.#calls, outcome);
  }

  end(forms: CallForms, call: number, outcome: AuditOutcome): Promise<void> {
    return this.#add(forms.end, call, outcome);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#writer[Symbol.asyncDispose]();
  }

  #formsOf(subject: AuditSubject): CallForms {
    let forms = this.#forms.get(subject);
    if (forms === undefined) {
      forms = this.#subjects.get(subject.caller, subject.tenant, subject.operation);
      this.#forms.set(subject, forms);
    }
    return forms;
  }

  #add(form: LineForm, call: number, outcome?: AuditOutcome): Promise<void> {
    const block = this.#writer.open();
    if (block !== undefined) {
      this.#number.next();
      form.stamp(this.#now(), this.#stamp);
      block.addEntry(this.#number, form, call);
      if (outcome !== undefined) {
        block.addBytes(this.#outcome(outcome));
        const { providerRequestId } = outcome;
        if (providerRequestId !== undefined) block.addText(`,"provider_request_id":${quoted(providerRequestId)}`);
        block.endLine();
      }
    }
    return this.#writer.added();
  }

  /** The time, of which the stamp has the bytes. */
  #now(): number {
    const now = this.#clock.now();
    if (now !== this.#stampTime) {
      this.#stampTime = now;
      this.#stamp.write(new Date(now).toISOString(), 'latin1');
    }
    return now;
  }

  #outcome(outcome: AuditOutcome): Buffer {
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

interface Begun {
  readonly forms: CallForms;
  readonly call: number;
  readonly begun: Promise<void>;
}

class Ticket implements AuditTicket {
  readonly #log: Log;
  readonly #forms: CallForms;
  readonly #call: number;
  readonly #begun: Promise<void>;

  constructor(log: Log, { forms, call, begun }: Begun) {
    this.#log = log;
    this.#forms = forms;
    this.#call = call;
    this.#begun = begun;
  }

  begun(): Promise<void> {
    return this.#begun;
  }

  end(outcome: AuditOutcome): Promise<void> {
    return this.#log.end(this.#forms, this.#call, outcome);
  }
}
