/** The live half of `keyproxy validate`: one round trip with a tenant's own key, the way the daemon would make it. */
import { systemClock } from '../base/clock.ts';
import { EncryptionContext, tenantPair } from '../base/encryption-context.ts';
import { errorTable } from '../base/errors.ts';
import type { TenantConfig } from '../config/tenant-file.ts';
import { KmsError, publicReason } from '../kms/fault.ts';
import type { KeyConfig } from '../kms/key-config.ts';
import { keyIdOf } from '../kms/key-config.ts';
import type { KeyService } from '../kms/key-service.ts';
import { KeyServices, type KeyServicesOptions } from './key-services.ts';

/** One step and its verdict; `advice` tells what to do where it failed. */
export interface Verdict {
  readonly step: string;
  readonly ok: boolean;
  readonly advice?: string;
}

/** What of the daemon's file counts here. */
export type CheckSetting = Omit<KeyServicesOptions, 'clock'>;

const keyBytes = 32;

/** Goes through a tenant's keys until a step fails for each. Never throws. */
export async function checkTenant(tenant: TenantConfig, setting: CheckSetting): Promise<Verdict[]> {
  await using services = new KeyServices({ clock: systemClock, ...setting });
  const verdicts: Verdict[] = [];
  for (const [role, key] of [
    ['current', tenant.key],
    ...tenant.replicas.map((key) => ['replica', key] as const),
    ...tenant.retired.map((key) => ['retired', key] as const),
  ] as const) {
    verdicts.push(...(await checkKey(`${role} key ${keyIdOf(key)}`, key, { tenant, services })));
  }
  return verdicts;
}

async function checkKey(
  name: string,
  config: KeyConfig,
  { tenant, services }: { tenant: TenantConfig; services: KeyServices },
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const attempt = async <T>(step: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      const result = await work();
      verdicts.push({ step: `${name}: ${step}`, ok: true });
      return result;
    } catch (error) {
      verdicts.push({ step: `${name}: ${step}`, ok: false, advice: adviceFor(error) });
      return undefined;
    }
  };
  const use = { tenantId: tenant.tenantId, timeoutMs: tenant.limits.kmsTimeoutMs, proofMs: 0, report: () => {} };
  const service = await attempt('can be opened', () => services.open(config, use));
  if (service === undefined) return verdicts;
  await using _service = service;
  await roundTrip(service, tenant, attempt);
  return verdicts;
}

type Attempt = <T>(step: string, work: () => Promise<T>) => Promise<T | undefined>;

async function roundTrip(service: KeyService, tenant: TenantConfig, attempt: Attempt): Promise<void> {
  const { signal } = new AbortController();
  const context = EncryptionContext.of([
    [tenantPair, tenant.tenantId],
    ['purpose', 'keyproxy-validation'],
  ]);
  const made = await attempt('makes a data key', () => service.generate({ length: keyBytes, context, signal }));
  if (made === undefined) return;
  using plaintext = made.plaintext;
  await attempt('opens the data key again', async () => {
    using opened = await service.unwrap({ entry: made.entry, context, signal });
    if (!opened.reveal().equals(plaintext.reveal())) throw new Error('the data key came back as another one');
  });
}

function adviceFor(error: unknown): string {
  if (!(error instanceof KmsError)) return error instanceof Error ? error.message : 'failed for an unknown reason';
  const reason = publicReason(error.fault);
  const { providerCode, requestId } = error.details;
  const code =
    providerCode === undefined ? '' : ` (${providerCode}${requestId === undefined ? '' : `, request ${requestId}`})`;
  return `${reason}: ${errorTable[reason].message}${code}`;
}
