/**
 * What the node says of itself without a token, and what a token may ask about its capabilities.
 *
 * Source: OpenBao `http/sys_health.go`, `http/sys_seal.go`, documentation "/sys/health".
 */
import { type Capability, capabilitiesOn, type Policy } from './acl.ts';
import { refusal } from './errors.ts';
import type { Reply, Route } from './logical.ts';

/** Which role a node that is not the active one has. */
export type StandbyKind = 'standby' | 'performance-standby' | 'dr-secondary';

/** The state of the node that clients talk to. */
export interface NodeState {
  initialized: boolean;
  sealed: boolean;
  standby: 'no' | 'forwarding' | 'redirecting';
  standbyKind: StandbyKind;
}

/** Status, and JSON for the body. */
export interface NodeAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const version = '2.4.0';
const cluster = { cluster_name: 'vault-cluster-simulated', cluster_id: '8f1c1f4e-0c2d-4c55-9a5e-6a3a4d0f0d11' };

const standbyCodes: Readonly<Record<StandbyKind, { query: string; okQuery: string; status: number }>> = {
  standby: { query: 'standbycode', okQuery: 'standbyok', status: 429 },
  'performance-standby': { query: 'performancestandbycode', okQuery: 'perfstandbyok', status: 473 },
  'dr-secondary': { query: 'drsecondarycode', okQuery: '', status: 472 },
};

/** `GET sys/health`; the query may name other statuses. */
export function health(state: NodeState, query: URLSearchParams, now: number): NodeAnswer {
  const standby = state.standby !== 'no';
  const sealed = state.sealed || !state.initialized;
  const body = {
    initialized: state.initialized,
    sealed,
    standby: standby || sealed,
    performance_standby: standby && state.standbyKind === 'performance-standby',
    replication_performance_mode: sealed ? 'unknown' : 'disabled',
    replication_dr_mode: sealed
      ? 'unknown'
      : state.standbyKind === 'dr-secondary' && standby
        ? 'secondary'
        : 'disabled',
    server_time_utc: Math.floor(now / 1000),
    version,
    ...(sealed ? {} : cluster),
  };
  return { status: healthStatus(state, query), body };
}

function healthStatus(state: NodeState, query: URLSearchParams): number {
  const code = (name: string, status: number): number => {
    const given = query.get(name);
    if (given === null) return status;
    if (!/^[+-]?\d+$/.test(given)) throw refusal('', 400);
    return Number(given);
  };
  if (!state.initialized) return code('uninitcode', 501);
  if (state.sealed) return code('sealedcode', 503);
  const active = code('activecode', 200);
  if (state.standby === 'no') return active;
  const { query: name, okQuery, status } = standbyCodes[state.standbyKind];
  return /^(?:1|t|true)$/i.test(query.get(okQuery) ?? '') ? active : code(name, status);
}

/** `GET sys/seal-status`. */
export function sealStatus(state: NodeState): NodeAnswer {
  const sealed = state.sealed || !state.initialized;
  const body = {
    type: 'shamir',
    initialized: state.initialized,
    sealed,
    t: 1,
    n: 1,
    progress: 0,
    nonce: '',
    version,
    build_date: '2025-08-28T00:00:00Z',
    migration: false,
    ...(sealed ? {} : cluster),
    recovery_seal: false,
    storage_type: 'inmem',
  };
  return { status: 200, body };
}

/** What `sys/…` paths behind the token check need. */
export interface SysBackend {
  readonly policies: readonly Policy[];
  readonly namespacePath: string;
}

/** `sys/…` paths behind the token check. */
export const sysRoutes: readonly Route<SysBackend>[] = [
  {
    pattern: /^capabilities-self$/,
    names: { update: 'capabilities-self' },
    schema: { paths: 'strings', path: 'strings', token: 'string' },
    handlers: {
      update: ({ fields }, backend): Reply => {
        const asked = fields.strings('paths').length > 0 ? fields.strings('paths') : fields.strings('path');
        if (asked.length === 0) throw refusal('paths must be supplied');
        const found = asked.map((path) => [path, capabilitiesFor(backend, path)] as const);
        const [only] = found;
        const alone = found.length === 1 && only !== undefined ? { capabilities: only[1] } : {};
        return { data: { ...Object.fromEntries(found), ...alone } };
      },
    },
  },
];

function capabilitiesFor({ policies, namespacePath }: SysBackend, path: string): readonly Capability[] {
  return [...capabilitiesOn(policies, namespacePath + path)].sort();
}
