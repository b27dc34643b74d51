/** The section `audit` of the daemon's file: where the audit log goes, and what happens to calls when it cannot. */
import { byDefault, type Section, type Shape, section, type Values } from './shape.ts';
import { choice, formatSize, integer, size, text } from './values.ts';

const [mebibyte, gibibyte] = [2 ** 20, 2 ** 30];

/** The audit log, checked and with every default in place. */
export interface AuditConfig {
  readonly sink:
    | { readonly kind: 'stdout' }
    | {
        readonly kind: 'file';
        /** Absolute. */
        readonly path: string;
        readonly maxFileBytes: number;
        readonly retentionDays: number;
      };
  /** What happens to calls while nothing can be written. */
  readonly onFailure: 'refuse' | 'continue';
}

const place = text('stdout, or the path of a file', /^[^\p{Cc}]{1,4096}$/u);

const fields = {
  path: byDefault(
    place,
    'stdout',
    'Where entries go: `stdout`, or a file of this daemon alone, on a file system that has Unix sockets.',
  ),
  on_failure: byDefault(
    choice(['refuse', 'continue']),
    'refuse',
    'What happens to calls while nothing can be written: they fail, or they go on and the log tells of the gap.',
  ),
  max_file_bytes: byDefault(
    size(mebibyte, 64 * gibibyte),
    64 * mebibyte,
    'A file of this size is full, and the log goes on in a new one. For a file.',
    formatSize(64 * mebibyte),
  ),
  retention_days: byDefault(
    integer(1, 36_500, 'days'),
    400,
    'Full files are deleted this long after their last entry. For a file.',
  ),
};

type AuditBlock = Values<typeof fields>;

function checkAudit({ path }: Partial<AuditBlock>, block: Section): void {
  if (path !== 'stdout') return;
  for (const key of ['max_file_bytes', 'retention_days']) {
    if (block.has(key)) block.problem(key, 'does not go with stdout; give the path of a file, or remove it');
  }
}

/** What stands under `audit`. */
export const auditSection: Shape<AuditBlock> = section(fields, checkAudit);

/** What a section means; relative paths are made absolute by `absolute`. */
export function auditConfig(block: AuditBlock, absolute: (path: string) => string): AuditConfig {
  return {
    sink:
      block.path === 'stdout'
        ? { kind: 'stdout' }
        : {
            kind: 'file',
            path: absolute(block.path),
            maxFileBytes: block.max_file_bytes,
            retentionDays: block.retention_days,
          },
    onFailure: block.on_failure,
  };
}
