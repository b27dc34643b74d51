/**
 * The parts of a line that many calls share, as bytes that are made once. A line is copied from them: its number, one
 * form with the time and the id filled in, and in an end what came of it.
 */
import type { AuditKey, AuditOutcome, AuditSubject, OutcomeName } from './entry.ts';
import { linePrefix } from './seal.ts';
import { quoted } from './text.ts';

/** Hexadecimal digits of a call's number in its id. */
export const idDigits = 10;

const timeHead = ',"time":"';

/** What a line tells of: the begin of a call, its end, or both where they came together. */
export type Phase = 'begin' | 'end' | 'call';

/** All of a line between its number and its outcome. */
export class LineForm {
  readonly bytes: Buffer;
  /** Where the digits of the call's number are. */
  readonly idAt: number;
  /** The time that `bytes` has, in milliseconds since 1970. */
  #time = Number.NaN;

  /** `run` begins the id of every call of this process. */
  constructor(phase: Phase, { caller, tenant, operation }: AuditSubject, run: string) {
    const head = `${timeHead}${'-'.repeat(24)}","phase":"${phase}","id":"${run}-`;
    const subject = `"caller":${quoted(caller)},"tenant":${quoted(tenant)},"operation":${quoted(operation)}`;
    this.bytes = Buffer.from(`${head}${'0'.repeat(idDigits)}",${subject}${phase === 'begin' ? '}\n' : ''}`, 'latin1');
    this.idAt = head.length;
  }

  /** Has it say this time, of which `stamp` holds the bytes. */
  stamp(time: number, stamp: Uint8Array): void {
    if (time === this.#time) return;
    this.#time = time;
    this.bytes.set(stamp, timeHead.length);
  }
}

/** The lines of a call. */
export type CallForms = Readonly<Record<Phase, LineForm>>;

/** Makes the forms of a subject. */
export function callForms(subject: AuditSubject, run: string): CallForms {
  const form = (phase: Phase) => new LineForm(phase, subject, run);
  return { begin: form('begin'), end: form('end'), call: form('call') };
}

/** The ends of end lines for one key: outcome → reason → bytes, without the closing brace. */
export type OutcomeForms = Readonly<Record<OutcomeName, Map<string | undefined, Buffer>>>;

/** No forms yet. */
export function outcomeForms(): OutcomeForms {
  return { ok: new Map(), failed: new Map(), denied: new Map() };
}

/** What an end line says of its outcome and its key. */
export function outcomeForm({ outcome, reason, key }: AuditOutcome): Buffer {
  const why = reason === undefined ? '' : `,"reason":${quoted(reason)}`;
  return Buffer.from(`,"outcome":"${outcome}"${why}${key === undefined ? '' : keyText(key)}`, 'latin1');
}

function keyText({ provider, keyId, keyVersion }: AuditKey): string {
  return `,"provider":${quoted(provider)},"key":${quoted(keyId)},"key_version":${quoted(keyVersion)}`;
}

/** Bytes of the beginning of a line with its number, at most. */
export const longestNumber: number = linePrefix.length + 32;

/** The number of an entry, counted up as digits behind the beginning of a line. */
export class LineNumber {
  readonly bytes: Buffer = Buffer.alloc(longestNumber);
  length = 0;
  #value = 0;

  /** Begins after `last`. */
  constructor(last: number) {
    this.#set(last);
  }

  /** The number of the last entry. */
  get value(): number {
    return this.#value;
  }

  /** Goes on to the next. */
  next(): void {
    this.#value += 1;
    const { bytes } = this;
    let at = this.length - 1;
    while (bytes[at] === 0x39) {
      bytes[at] = 0x30;
      at -= 1;
    }
    const digit = bytes[at] ?? 0;
    if (digit >= 0x30 && digit < 0x39) bytes[at] = digit + 1;
    else this.#set(this.#value);
  }

  #set(value: number): void {
    this.#value = value;
    this.length = this.bytes.write(`${linePrefix}"seq":${value}`, 'latin1');
  }
}
