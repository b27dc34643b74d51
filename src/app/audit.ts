/** Opens the audit log as the configuration has it. */
import { type AuditLog, openAuditLog } from '../audit/audit-log.ts';
import { AuditOpenError } from '../audit/failure.ts';
import type { Clock } from '../base/clock.ts';
import type { AuditConfig } from '../config/audit-block.ts';
import { auditEvents } from '../telemetry/audit-events.ts';
import type { Log } from '../telemetry/log.ts';
import { StartupError } from './startup-error.ts';

/** Throws a StartupError where the log cannot be had. */
export async function openAudit(config: AuditConfig, { clock, log }: { clock: Clock; log: Log }): Promise<AuditLog> {
  try {
    return await openAuditLog({ ...config, clock, onAlarm: auditEvents(log) });
  } catch (error) {
    if (error instanceof AuditOpenError) throw new StartupError(error.message, error);
    throw error;
  }
}

/** What metrics show of it. */
export function auditFigures({ state }: AuditLog): Readonly<Record<'written' | 'refused' | 'lost', number>> {
  const { written, refused, lost } = state;
  return { written, refused, lost };
}
