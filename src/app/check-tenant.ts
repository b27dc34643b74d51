/** The live half of `keyproxy validate`: uses a tenant's own keys the way the daemon would, and looks at them. */
import { systemClock } from '../base/clock.ts';
import { EncryptionContext, tenantPair } from '../base/encryption-context.ts';
import { errorTable } from '../base/errors.ts';
import type { TenantConfig } from '../config/tenant-file.ts';
import { KmsError, publicReason } from '../kms/fault.ts';
import type { Finding } from '../kms/finding.ts';
import type { KeyConfig } from '../kms/key-config.ts';
import { keyIdOf, materialIdOf } from '../kms/key-config.ts';
import type { KeyService } from '../kms/key-service.ts';
import { type EnvironmentRule, expectInside, ruleFor, type SegregationSetting } from '../kms/segregation.ts';
import { KeyServices, type KeyServicesOptions } from './key-services.ts';

/** One step and its verdict; the advice tells what to change. */
export type Verdict = Finding;

/** What of the daemon's file counts here. */
export type CheckSetting = Omit<KeyServicesOptions, 'clock'> & Partial<SegregationSetting>;

const keyBytes = 32;
const generates = 'makes a data key';

/**
 * Goes through a tenant's keys: a round trip with each, whose steps end with the first that fails, and then what the
 * key's provider finds when it looks closer. Never throws.
 */
export async function checkTenant(tenant: TenantConfig, setting: CheckSetting): Promise<Verdict[]> {
  using _awake = stayAwake();
  await using services = new KeyServices({ clock: systemClock, ...setting });
  const { rule, findings } = rowFor(tenant, setting);
  for (const [role, key] of [
    ['current', tenant.key],
    ...tenant.replicas.map((key) => ['replica', key] as const),
    ...tenant.retired.map((key) => ['retired', key] as const),
  ] as const) {
    const about = `${role} key ${keyIdOf(key)}`;
    const found = await checkKey(key, {
      tenant,
      services,
      role,
      ...(role !== 'retired' && rule !== undefined && { rule }),
    });
    findings.push(...found.map((finding) => ({ ...finding, step: `${about}: ${finding.step}` })));
  }
  return findings;
}

/** The matrix's row for the tenant, or the finding that it has none. */
function rowFor(tenant: TenantConfig, setting: CheckSetting): { rule?: EnvironmentRule; findings: Finding[] } {
  try {
    const rule = ruleFor(tenant, setting);
    return { findings: [], ...(rule !== undefined && { rule }) };
  } catch (error) {
    const step = 'the segregation matrix has a row for the environment';
    return { findings: [{ step, verdict: 'failed', advice: adviceFor(error) }] };
  }
}

/** Keeps the process alive between two attempts at a silent service: the clock's own timers do not, and Node would end. */
function stayAwake(): Disposable {
  const timer = setInterval(() => {}, 60_000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** A key and what it is checked for. */
interface CheckedKey {
  readonly tenant: TenantConfig;
  readonly services: KeyServices;
  readonly role: 'current' | 'replica' | 'retired';
  /** Absent: it is held to none. */
  readonly rule?: EnvironmentRule;
}

async function checkKey(config: KeyConfig, { tenant, services, role, rule }: CheckedKey): Promise<Finding[]> {
  const findings: Finding[] = [];
  let isOnlyDenied = false;
  const attempt = async <T>(step: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      const result = await work();
      findings.push({ step, verdict: 'ok' });
      return result;
    } catch (error) {
      findings.push({ step, verdict: 'failed', advice: adviceFor(error) });
      isOnlyDenied = step === generates && isDenial(error);
      return undefined;
    }
  };
  const use = {
    tenantId: tenant.tenantId,
    timeoutMs: tenant.limits.kmsTimeoutMs,
    callsPerSecond: tenant.limits.kmsCallsPerSecond,
    concurrency: tenant.limits.kmsConcurrency,
    intervalMs: 0,
    report: () => {},
  };
  const opened = await attempt('can be opened', () => services.open(config, use));
  if (opened === undefined) return findings;
  await using _opened = opened;
  const service = opened.live;
  const { signal } = new AbortController();
  if (rule !== undefined) {
    await attempt(`may be used in ${rule.environment}`, () => expectInside(service, rule, signal));
  }
  const context = EncryptionContext.of([
    [tenantPair, tenant.tenantId],
    ['purpose', 'keyproxy-validation'],
  ]);
  // A key that is related to the current one opens what that wraps, and is not asked to wrap it.
  const hasToWrap = role === 'replica' && materialIdOf(config) !== materialIdOf(tenant.key);
  await roundTrip(service, { context, signal, hasToWrap }, attempt);
  if (role === 'retired') return isOnlyDenied ? findings.map(forRetired) : findings;
  return [...findings, ...((await service.inspect?.({ context, signal })) ?? [])];
}

/** Whether a call was denied by itself: others to the same key may be allowed. */
function isDenial(error: unknown): boolean {
  const fault = error instanceof KmsError ? error.fault : undefined;
  return fault?.kind === 'refusal' && fault.reason === 'KEY_ACCESS_DENIED' && !fault.keyWide;
}

/** A retired key need not wrap any more, and without a wrap of our own there is nothing here to unwrap. */
function forRetired(finding: Finding): Finding {
  if (finding.step !== generates || finding.verdict !== 'failed') return finding;
  const why = 'that is well for a retired key; whether it still opens what it wrapped was not tried';
  return { ...finding, verdict: 'warning', advice: `${finding.advice ?? ''}; ${why}` };
}

type Attempt = <T>(step: string, work: () => Promise<T>) => Promise<T | undefined>;

async function roundTrip(
  service: KeyService,
  { context, signal, hasToWrap }: { context: EncryptionContext; signal: AbortSignal; hasToWrap: boolean },
  attempt: Attempt,
): Promise<void> {
  const made = await attempt(generates, () => service.generate({ length: keyBytes, context, signal }));
  if (made === undefined) return;
  using plaintext = made.plaintext;
  await attempt('opens the data key again', async () => {
    using opened = await service.unwrap({ entry: made.entry, context, signal });
    if (!opened.reveal().equals(plaintext.reveal())) throw new Error('the data key came back as another one');
  });
  // What the current key made has to be wrapped by a replica, which can be another permission than to make one.
  if (hasToWrap)
    await attempt('wraps a data key that another key made', () => service.wrap({ plaintext, context, signal }));
}

function adviceFor(error: unknown): string {
  if (!(error instanceof KmsError)) return error instanceof Error ? error.message : 'failed for an unknown reason';
  const reason = publicReason(error.fault);
  const { providerCode, requestId, advice } = error.details;
  const code =
    providerCode === undefined ? '' : ` (${providerCode}${requestId === undefined ? '' : `, request ${requestId}`})`;
  const next = advice === undefined ? '' : `: ${advice}`;
  return `${reason}: ${errorTable[reason].message}${next}${code}`;
}
