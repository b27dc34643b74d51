/** Everything that requests read and change, and how one of them finds its way to a backend. */

import type { Faults } from '../http/fault.ts';
import { capabilitiesOn, type Policy } from './acl.ts';
import { type AuthBackend, approleRoutes, kubernetesRoutes, tokenRoutes } from './auth.ts';
import type { Call } from './calls.ts';
import { refusal, refusals } from './errors.ts';
import { Fields } from './fields.ts';
import { findRoute, type LogicalRequest, type Operation, type Reply, type Route, runRoute } from './logical.ts';
import { findMount, type Mount, type Namespace, type Namespaces } from './mounts.ts';
import type { RateLimit } from './rate-limit.ts';
import { type NodeState, type SysBackend, sysRoutes } from './sys.ts';
import type { Product, Token } from './tokens.ts';
import { type TransitBackend, transitRoutes } from './transit.ts';
import type { KeyMaking } from './transit-key.ts';

/** What a fault is chosen by. */
export type VaultFaultTarget = {
  readonly operation: string;
  readonly key: string | undefined;
  readonly namespace: string | undefined;
};

export interface VaultCluster extends AuthBackend {
  readonly product: Product;
  readonly state: NodeState;
  readonly namespaces: Namespaces;
  readonly making: KeyMaking;
  readonly faults: Faults<VaultFaultTarget>;
  readonly rateLimit: RateLimit;
  readonly calls: Call[];
}

/** A request before anybody has looked at its fields. */
export type RawRequest = Omit<LogicalRequest, 'fields'> & { readonly raw: Readonly<Record<string, unknown>> };

/** Where a path leads: the operation's name, whether it needs a token, and what serves it. */
export interface Destination {
  readonly name: string;
  readonly mount: string;
  readonly login: boolean;
  /** The name in the path. */
  readonly key: string | undefined;
  /** Whether what a write is about is there; undefined where the path cannot tell. */
  exists(request: RawRequest): boolean | undefined;
  run(request: RawRequest): Promise<Reply | undefined>;
}

/** Finds what serves a path of a namespace; undefined where nothing is mounted. */
export function findDestination(
  cluster: VaultCluster,
  {
    namespace,
    path,
    operation,
    token,
  }: { namespace: Namespace; path: string; operation: Operation; token: Token | undefined },
): Destination | undefined {
  if (path.startsWith('auth/token/')) {
    return destination(tokenRoutes, cluster, { rest: path.slice(11), mount: 'auth/token', operation });
  }
  if (path.startsWith('sys/')) {
    const backend: SysBackend = {
      policies: token === undefined ? [] : policiesOf(cluster, token),
      namespacePath: namespace.path,
    };
    return destination(sysRoutes, backend, { rest: path.slice(4), mount: 'sys', operation });
  }
  const found = findMount(namespace, path);
  return found === undefined ? undefined : mounted(cluster, { ...found, namespace, operation });
}

function mounted(
  cluster: VaultCluster,
  { mount, rest, namespace, operation }: { mount: Mount; rest: string; namespace: Namespace; operation: Operation },
): Destination {
  const place = { rest, mount: mount.path.replace(/\/$/, ''), operation };
  switch (mount.kind) {
    case 'transit': {
      const backend: TransitBackend = { mount, making: cluster.making };
      return destination(transitRoutes, backend, place);
    }
    case 'approle': {
      const backend = { ...cluster, namespace, mount };
      return destination(approleRoutes, backend, { ...place, login: rest === 'login' });
    }
    case 'kubernetes': {
      const backend = { ...cluster, namespace, mount };
      return destination(kubernetesRoutes, backend, { ...place, login: rest === 'login' });
    }
  }
}

function destination<Backend>(
  routes: readonly Route<Backend>[],
  backend: Backend,
  { rest, mount, operation, login = false }: { rest: string; mount: string; operation: Operation; login?: boolean },
): Destination {
  const found = findRoute(routes, rest);
  return {
    name: found?.route.names[operation] ?? '',
    mount,
    login,
    key: found?.captures['name'],
    exists: ({ raw }) => {
      const exists = found?.route.exists;
      if (found === undefined || exists === undefined) return undefined;
      const fields = new Fields(raw, found.captures, { schema: found.route.schema, existenceCheck: true });
      return exists(fields, backend);
    },
    run: (request) => {
      if (found === undefined) throw refusals.unsupportedPath();
      return runRoute(found, request, backend);
    },
  };
}

/** The policies of a token, all of its own namespace; a name that nothing has grants nothing. */
export function policiesOf({ namespaces }: VaultCluster, token: Token): readonly Policy[] {
  const { policies } = namespaces.require(token.namespacePath);
  return token.policies.flatMap((name) => policies.get(name) ?? []);
}

const needed: Readonly<Record<Operation, 'read' | 'list' | 'update' | 'create' | 'delete' | undefined>> = {
  read: 'read',
  list: 'list',
  update: 'update',
  create: 'create',
  delete: 'delete',
  other: undefined,
};

/** Throws unless the token's policies allow the operation on the path. */
export function authorize(
  cluster: VaultCluster,
  { token, namespace, path, operation }: { token: Token; namespace: Namespace; path: string; operation: Operation },
): void {
  const policies = policiesOf(cluster, token);
  const granted = (candidate: string) => capabilitiesOn(policies, namespace.path + candidate);
  const capability = needed[operation];
  // A list may be allowed by the rule for its path without the slash.
  const bare = operation === 'list' ? granted(path.replace(/\/$/, '')) : [];
  if (capability === undefined) throw refusals.denied();
  if (!bare.includes(capability) && !granted(path).includes(capability)) throw refusals.denied();
}

/** The text of a token that is dead, or was never alive; each product has its own. */
export function deadToken(product: Product): Error {
  const text =
    product === 'vault' ? '2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n' : 'permission denied';
  return refusal(text, 403);
}
