/**
 * Namespaces, and what is mounted where in them.
 *
 * Source: OpenBao `vault/namespace_store.go` (`ResolveNamespaceFromRequest`), `vault/router.go`.
 */
import type { Policy } from './acl.ts';
import type { AppRoleMount } from './approle-roles.ts';
import type { KubernetesMount } from './kubernetes-roles.ts';
import type { TransitKey } from './transit-key.ts';

/** What can be mounted; `path` ends in a slash and begins with `auth/` for login methods. */
export type Mount = { readonly path: string } & (
  | { readonly kind: 'transit'; readonly keys: Map<string, TransitKey>; disableUpsert: boolean }
  | { readonly kind: 'approle'; readonly roles: AppRoleMount }
  | { readonly kind: 'kubernetes'; readonly roles: KubernetesMount }
);

export interface Namespace {
  /** Empty for the root, `a/b/` for others. */
  readonly path: string;
  readonly mounts: Map<string, Mount>;
  readonly policies: Map<string, Policy>;
}

/** What every token may do to itself, by the policy `default`. */
const defaultPolicy = {
  'auth/token/lookup-self': ['read'],
  'auth/token/renew-self': ['update'],
  'auth/token/revoke-self': ['update'],
  'sys/capabilities-self': ['update'],
} as const;

export class Namespaces {
  readonly #byPath = new Map<string, Namespace>();

  constructor() {
    this.create('');
  }

  /** Makes a namespace under one that exists. */
  create(path: string): Namespace {
    const canonical = canonicalPath(path);
    if (this.#byPath.has(canonical)) throw new Error(`the namespace ${path} exists already`);
    if (canonical !== '' && !this.#byPath.has(parentOf(canonical))) throw new Error(`${path} has no parent`);
    const namespace: Namespace = { path: canonical, mounts: new Map(), policies: new Map() };
    const rules = defaultPolicy;
    namespace.policies.set('default', { name: 'default', namespacePath: canonical, rules });
    this.#byPath.set(canonical, namespace);
    return namespace;
  }

  /** The namespace of a test's set-up; throws where there is none. */
  require(path = ''): Namespace {
    const namespace = this.#byPath.get(canonicalPath(path));
    if (namespace === undefined) throw new Error(`there is no namespace ${path}`);
    return namespace;
  }

  /** The namespace of a header and a path, with what is left of the path; undefined for a header that names none. */
  resolve(header: string, path: string): { namespace: Namespace; path: string } | undefined {
    const named = canonicalPath(header);
    const whole = named + path;
    let best: Namespace | undefined;
    for (const namespace of this.#byPath.values()) {
      if (whole.startsWith(namespace.path) && namespace.path.length >= (best?.path.length ?? 0)) best = namespace;
    }
    if (best === undefined || !best.path.startsWith(named)) return undefined;
    return { namespace: best, path: whole.slice(best.path.length) };
  }
}

/** Adds a mount; throws where a mount is, or lies on the way. */
export function addMount(namespace: Namespace, mount: Mount): void {
  for (const other of namespace.mounts.keys()) {
    if (other.startsWith(mount.path) || mount.path.startsWith(other)) throw new Error(`${mount.path} is taken`);
  }
  namespace.mounts.set(mount.path, mount);
}

/** The mount at a path, made if nothing is there; throws where something else is. */
export function mountAt<Kind extends Mount['kind']>(
  namespace: Namespace,
  fresh: Extract<Mount, { kind: Kind }>,
): Extract<Mount, { kind: Kind }> {
  const existing = namespace.mounts.get(fresh.path);
  if (existing === undefined) {
    addMount(namespace, fresh);
    return fresh;
  }
  if (existing.kind !== fresh.kind) throw new Error(`${fresh.path} is another kind of mount`);
  return existing as Extract<Mount, { kind: Kind }>;
}

/** The mount that a path belongs to, with the rest of the path. */
export function findMount(namespace: Namespace, path: string): { mount: Mount; rest: string } | undefined {
  for (const mount of namespace.mounts.values()) {
    if (path.startsWith(mount.path)) return { mount, rest: path.slice(mount.path.length) };
  }
  return undefined;
}

/** No slash in front, one at the end; empty stays empty. */
export function canonicalPath(path: string): string {
  const bare = path.trim().replace(/^\/+|\/+$/g, '');
  return bare === '' ? '' : `${bare}/`;
}

function parentOf(canonical: string): string {
  return canonical.replace(/[^/]+\/$/, '');
}
