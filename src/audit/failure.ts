/** What goes wrong with the log, as the process hears of it. */

/** Something that an operator should know. `cause` is the system's code, or a word in capitals of the log's own. */
export type AuditAlarm =
  /**
   * Nothing can be written: the system said why, `STALLED` (a write takes too long), `FULL` (too much waits) or
   * `REPLACED` (what has the file's name is not a file of the log).
   */
  | { readonly kind: 'failing'; readonly cause: string }
  /** All that waited is written. `lost` entries are not in the log. */
  | { readonly kind: 'restored'; readonly lost: number; readonly milliseconds: number }
  /** An earlier process was killed in the middle of a write: its last lines, this many whole entries, are sealed now. */
  | { readonly kind: 'recovered'; readonly entries: number }
  /** Somebody moved or deleted the file that is written. What is at its path has nothing from this block on yet. */
  | { readonly kind: 'replaced'; readonly block: number }
  /** The file grows on, and it is tried again. */
  | { readonly kind: 'rotation_failed'; readonly cause: string }
  /** A file that is too old could not be deleted, and it is tried again. */
  | { readonly kind: 'retention_failed'; readonly file: string; readonly cause: string };

/** A log that cannot be opened, with a sentence for whoever starts the daemon. */
export class AuditOpenError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'AuditOpenError';
  }
}
