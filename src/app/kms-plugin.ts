/** `keyproxy kms-plugin`, put together: the cluster's key behind `v2.KeyManagementService`, and nothing else. */
import { KeyproxyError } from '../base/errors.ts';
import type { KmsPluginConfig } from '../config/kms-plugin-file.ts';
import type { KeyInfo } from '../kms/key-service.ts';
import { contextFor } from '../operations/context.ts';
import { decrypt } from '../operations/decrypt.ts';
import { encrypt } from '../operations/encrypt.ts';
import { rootName } from '../operations/entry-names.ts';
import { isRefusal } from '../operations/failures.ts';
import { type KmsPlugin, kmsPluginMethods } from '../rpc/kms-plugin-service.ts';
import { createKmsPluginMetrics } from '../telemetry/kms-plugin-metrics.ts';
import type { Log } from '../telemetry/log.ts';
import type { Tenant } from '../tenants/tenant.ts';
import { ClusterKey, clusterPairs } from './cluster-key.ts';
import { isSame, KeyIds } from './key-ids.ts';
import { KeyProbe } from './key-probe.ts';
import type { Offer, PlaneParts } from './serve.ts';

/** How the uid of a request may look in the log; kube-apiserver sends a UUID. */
const loggableUid = /^[A-Za-z0-9-]{1,64}$/;

/** What the plane of a KMS plugin offers. Throws a StartupError where the key ids of before cannot be used. */
export function offerToApiServer({ healthIntervalMs: intervalMs, generation }: KmsPluginConfig): Offer {
  return async (parts) => {
    const { engine, state, log } = parts;
    const { clock } = engine;
    if (state === undefined) throw new Error('a KMS plugin has no folder for its state');
    const tenant = (): Tenant | undefined => engine.registry.all().next().value;
    const ids = await KeyIds.open({
      ...{ folder: state.folder, generation, now: () => clock.now() },
      tenantId: () => tenant()?.id ?? '',
    });
    const dropRoot = (of: Tenant, unless?: KeyInfo) => dropRootOf(parts, of, unless);
    let returned: KeyInfo | undefined;
    const probe = new KeyProbe({
      ...{ clock, intervalMs, tenant },
      contextOf,
      async onSeen(of, key) {
        const standing = ids.standingOf(key);
        if (standing === 'older') throw olderVersion();
        // A service that says now this and now that would make a new id at each look.
        const isSure = standing !== 'returning' || (returned !== undefined && isSame(returned, key));
        returned = isSure ? undefined : key;
        if (!isSure) throw returningVersion();
        const { current } = ids;
        const before = current?.id;
        const now = await ids.follow(key);
        if (now.id === before) return;
        dropRoot(of, key);
        const { id, keyId, keyVersion } = now;
        if (current !== undefined && !of.keyIds.includes(current.keyId)) {
          log.warn(
            { key: current.keyId, key_id: before },
            'what is under the key of before does not open: list it under retired',
          );
        }
        log.info({ key_id: id, before, key: keyId, version: keyVersion }, 'new data goes under a new key id');
      },
      onFailed(of, { reason }, thrown) {
        // The one context of all that there is was refused: the canary's own may not be.
        if (isRefusal(thrown)) parts.cache.clear(of.id, 'refused');
        const why = reason === 'INTERNAL' && thrown instanceof Error ? thrown.message : undefined;
        log.warn({ tenant: of.id, reason, problem: why }, 'the key of the cluster cannot be used');
      },
    });
    const key = new ClusterKey({
      ...{ clock, ids, probe, tenant, dropRoot },
      encrypt: encrypt(engine),
      decrypt: decrypt(engine),
    });
    createKmsPluginMetrics({ healthy: () => key.isHealthy }, parts.metrics.registry);
    return {
      methods: kmsPluginMethods(logged(key, log)),
      open() {
        ids.expectTenant();
        void probe.look();
      },
      served: () => void probe.look(),
      [Symbol.asyncDispose]: () => probe[Symbol.asyncDispose](),
    };
  };
}

/** What all of a cluster's data is encrypted under. */
function contextOf({ id }: Tenant) {
  return contextFor(id, clusterPairs, true);
}

/** Drops the root that new data goes under, but one of the key `unless`. */
function dropRootOf({ cache }: PlaneParts, tenant: Tenant, unless?: KeyInfo): void {
  if (tenant.ring === undefined) return;
  const name = rootName(tenant, tenant.ring.current, contextOf(tenant));
  if (unless !== undefined && cache.peek(name)?.info.keyVersion === unless.keyVersion) return;
  cache.drop(name, 'replaced');
}

function olderVersion(): KeyproxyError {
  return new KeyproxyError('KEY_SERVICE_UNAVAILABLE', {
    detail: 'it wraps under an earlier version than before; where that is meant, raise generation on every node',
  });
}

function returningVersion(): KeyproxyError {
  return new KeyproxyError('KEY_SERVICE_UNAVAILABLE', {
    detail: 'it wraps under a version of before again; new data goes under that once a second look has found the same',
    retryAfterMs: 1000,
  });
}

/** The same, with a line for each call under the uid that kube-apiserver's own log has. */
function logged(plugin: KmsPlugin, log: Log): KmsPlugin {
  const told = async <T>(operation: string, request: { uid: string; keyId?: string }, call: () => Promise<T>) => {
    const uid = loggableUid.test(request.uid) ? request.uid : undefined;
    try {
      const answer = await call();
      log.info({ uid, operation }, 'kube-apiserver was answered');
      return answer;
    } catch (error) {
      log.warn({ uid, operation, reason: KeyproxyError.from(error).reason }, 'kube-apiserver was refused');
      throw error;
    }
  };
  return {
    status: (signal) => plugin.status(signal),
    encrypt: (caller, request, signal) => told('encrypt', request, () => plugin.encrypt(caller, request, signal)),
    decrypt: (caller, request, signal) => told('decrypt', request, () => plugin.decrypt(caller, request, signal)),
  };
}
