/** What goes wrong with the audit log, as the operator hears of it. */
import type { Log } from './log.ts';

/** As the log tells it. */
type Alarm =
  | { readonly kind: 'failing'; readonly cause: string }
  | { readonly kind: 'restored'; readonly lost: number; readonly milliseconds: number }
  | { readonly kind: 'recovered'; readonly entries: number }
  | { readonly kind: 'replaced'; readonly block: number }
  | { readonly kind: 'rotation_failed'; readonly cause: string }
  | { readonly kind: 'retention_failed'; readonly file: string; readonly cause: string };

/** Told of each change for the worse or the better. */
export function auditEvents(log: Log): (alarm: Alarm) => void {
  return (alarm) => {
    const { kind, ...fields } = alarm;
    switch (kind) {
      case 'failing':
        log.error({ alert: true, ...fields }, 'the audit log cannot be written');
        break;
      case 'restored':
        log.warn(fields, 'the audit log can be written again');
        break;
      case 'recovered':
        log.warn(fields, 'entries of an earlier process that was killed were sealed in the audit log');
        break;
      case 'replaced':
        log.error(
          { alert: true, ...fields },
          'the file of the audit log was moved or deleted, the chain goes on in a new one',
        );
        break;
      case 'rotation_failed':
        log.error(fields, 'a full file of the audit log could not be put aside, it grows on');
        break;
      case 'retention_failed':
        log.error(fields, 'a file of the audit log that is too old could not be deleted');
    }
  };
}
