/**
 * The one door to a tenant, which every verb goes through: the policy, the caller's limits, a record in the audit that is
 * on its way before a key is touched, and the outcome in it before anybody hears of it.
 */
import { type Caller, callerName } from '../base/caller.ts';
import { errorTable, KeyproxyError, type Reason } from '../base/errors.ts';
import { parseTenantId, type TenantId } from '../base/ids.ts';
import type { Verb } from '../base/verb.ts';
import type { KeyInfo } from '../kms/key-service.ts';
import type { Tenant } from '../tenants/tenant.ts';
import { CallRecord } from './audit-trail.ts';
import type { Engine, Operation } from './engine.ts';
import type { Subject } from './standing.ts';

/** A call that has been let in. */
export interface Admitted<Request> {
  readonly tenant: Tenant;
  readonly request: Request;
  readonly signal: AbortSignal;
  readonly record: CallRecord;
}

/** What a verb does. */
export interface VerbOptions<Request, Answer> {
  readonly run: (call: Admitted<Request>) => Promise<Answer>;
  /** Wipes what is secret in an answer that is not given after all. */
  readonly drop: (answer: Answer) => void;
}

/**
 * Makes a verb of what it does once a caller has been let in. It rejects with `TENANT_ID_INVALID`, `ACCESS_DENIED`,
 * `TENANT_UNKNOWN`, `CALLER_OVER_LIMIT`, `AUDIT_UNAVAILABLE`, or what `run` throws. A caller who may do nothing for a
 * tenant does not learn whether there is one.
 */
export function verb<Request extends { readonly tenantId: string }, Answer extends { readonly key: KeyInfo }>(
  engine: Engine,
  name: Verb,
  { run, drop }: VerbOptions<Request, Answer>,
): Operation<Request, Answer> {
  return async (caller, request, signal) => {
    const id = parseTenantId(request.tenantId);
    const tenant = engine.registry.find(id);
    if (tenant === undefined) return await turnAway(engine, caller, { id, name });
    const now = engine.clock.monotonic();
    const standing = engine.standings.of(caller, id, now);
    const subject = standing.subjects[name];
    if (standing.permitted?.has(name) !== true) return await refuse(engine, caller, subject, 'ACCESS_DENIED');
    standing.enter(name, now);
    try {
      const record = new CallRecord(engine.audit, subject, { isFull: tenant.settings.audit.logAll });
      let answer: Answer;
      try {
        answer = await run({ tenant, request, signal, record });
      } catch (thrown) {
        const error = KeyproxyError.from(thrown);
        if (error.reason === 'DECRYPT_FAILED') standing.failed(now);
        if (tenant.settings.audit.alertOnFailures && isAlarming(error.reason)) {
          engine.observer.operationFailed(subject, error.reason);
        }
        await record.failed(error.reason, failureOf(error, tenant));
        throw thrown;
      }
      try {
        await record.succeeded(answer.key);
        record.confirm();
      } catch (error) {
        drop(answer);
        throw error;
      }
      return answer;
    } finally {
      standing.leave();
    }
  };
}

/** The end of a call for a tenant that there is not. */
function turnAway(engine: Engine, caller: Caller, { id, name }: { id: TenantId; name: Verb }): Promise<never> {
  const subject = { caller: callerName(caller), tenant: id, operation: name };
  const mayKnow = engine.standings.mayDo(caller, id, { verb: name, now: engine.clock.monotonic() });
  return refuse(engine, caller, subject, mayKnow ? 'TENANT_UNKNOWN' : 'ACCESS_DENIED');
}

/** Both count against one budget: whoever may do nothing must not fill the log. */
async function refuse(
  engine: Engine,
  caller: Caller,
  subject: Subject,
  reason: 'ACCESS_DENIED' | 'TENANT_UNKNOWN',
): Promise<never> {
  const isDenied = reason === 'ACCESS_DENIED';
  if (isDenied) engine.observer.accessDenied(subject);
  engine.standings.denied(caller, engine.clock.monotonic());
  await engine.audit.note(subject, { outcome: isDenied ? 'denied' : 'failed', reason });
  throw new KeyproxyError(reason);
}

/** What a failure tells the audit beside its reason. */
function failureOf({ metadata }: KeyproxyError, tenant: Tenant) {
  const key: KeyInfo = { provider: tenant.provider, keyId: tenant.keyIds[0], keyVersion: '' };
  return { key, providerRequestId: metadata['provider_request_id'] };
}

/** Whether somebody should hear of it: of whatever is not the caller's own mistake, and of data that does not open. */
function isAlarming(reason: Reason): boolean {
  return reason === 'DECRYPT_FAILED' || errorTable[reason].fault !== 'caller';
}
