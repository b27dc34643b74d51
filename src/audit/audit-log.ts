/**
 * The audit log: who asked for what, written before anything leaves for a key service, and what came of it, written
 * before it is answered. A call whose answer was given is in the log, whatever kills the process then; a failing disk
 * means a no, or a gap that the log itself tells of, as the operator chooses. Building an entry copies bytes and waits
 * for nothing.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { AuditOutcome, AuditSubject } from './entry.ts';
import { EntryLines } from './entry-lines.ts';
import type { AuditAlarm } from './failure.ts';
import { openFileChain } from './file-chain.ts';
import { FormCache } from './forms.ts';
import { type CallForms, callForms } from './line-form.ts';
import { type Output, standardOutput, systemWrite, type WriteBytes } from './output.ts';
import { noHash } from './seal.ts';
import { type AuditTicket, Ticket } from './ticket.ts';
import { ChainWriter, type OnFailure } from './writer.ts';

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

/** Forms of subjects that are kept, each of some hundred bytes in all but odd cases. */
const mostSubjects = 4096;

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
  readonly #lines: EntryLines;
  readonly #subjects: FormCache<CallForms>;
  /** The same by the object, where somebody asks with the same one again. */
  readonly #forms = new WeakMap<AuditSubject, CallForms>();
  #calls = 0;
  #refused = 0;

  constructor(output: Output, { clock, onFailure, onAlarm }: AuditLogOptions) {
    const run = randomBytes(6).toString('hex');
    this.#clock = clock;
    this.#writer = new ChainWriter(output, { clock, onFailure, onAlarm });
    this.#lines = new EntryLines(output.end.seq);
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
    this.#calls += 1;
    const parts = { clock: this.#clock, writer: this.#writer, lines: this.#lines };
    return new Ticket(parts, this.#formsOf(subject), this.#calls);
  }

  note(subject: AuditSubject, outcome: AuditOutcome): Promise<void> {
    this.#calls += 1;
    const line = { form: this.#formsOf(subject).end, call: this.#calls, time: this.#clock.now() };
    const block = this.#writer.open();
    if (block !== undefined) this.#lines.addEnd(block, line, { outcome });
    return this.#writer.added();
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
}
