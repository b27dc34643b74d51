/** Roles of the login methods as a test holds them. */
import { randomUUID } from 'node:crypto';
import { type AppRole, AppRoleMount } from './approle-roles.ts';
import type { VaultCluster } from './cluster.ts';
import { type Cluster, KubernetesMount, type KubernetesRole, type ProjectedClaims } from './kubernetes-roles.ts';
import { canonicalPath, mountAt } from './mounts.ts';
import type { TokenTerms, TokenType } from './tokens.ts';

/** What roles of both login methods have. Times in seconds; the server's own where none is given. */
export interface RoleOptions {
  /** The name of the method unless given; mounted if it is not yet. */
  readonly mount?: string;
  readonly namespace?: string;
  readonly policies: readonly string[];
  readonly tokenTtl?: number;
  readonly tokenMaxTtl?: number;
  readonly tokenType?: TokenType;
}

export interface AppRoleOptions extends RoleOptions {
  readonly name?: string;
  /** Logins that one secret id is good for; any number unless given. */
  readonly secretIdNumUses?: number;
  readonly secretIdTtl?: number;
  /** CIDR blocks that may log in; all unless given. */
  readonly boundCidrs?: readonly string[];
}

export interface SimulatedAppRole {
  readonly roleId: string;
  readonly mount: string;
  newSecretId(): string;
  /** Makes a secret id worthless. */
  destroySecretId(secretId: string): void;
  /** Logins that a secret id is still good for: zero for one that is gone, undefined for any number. */
  usesLeft(secretId: string): number | undefined;
  /** Deletes the role: no more logins, and its tokens cannot be renewed. */
  destroy(): void;
}

export interface KubernetesOptions extends RoleOptions {
  readonly role: string;
  /** Empty takes every audience. */
  readonly audience: string;
  /** The account that the tokens are for, and the one that the role takes; `keyproxy` in `keyproxy` unless given. */
  readonly serviceAccount?: { readonly name: string; readonly namespace: string };
  /** Names that the role takes instead. */
  readonly boundNames?: readonly string[];
  readonly boundNamespaces?: readonly string[];
  /** The issuer that the mount demands; any unless given. Counts for the mount's first role. */
  readonly issuer?: string;
}

/** What a test wants otherwise in a projected token. */
export interface TokenOverrides {
  readonly audience?: string | readonly string[];
  readonly name?: string;
  readonly namespace?: string;
  readonly issuer?: string;
  /** 3600 unless given; negative makes one that has run out. */
  readonly expiresInSeconds?: number;
  /** Signed by a key that is not the cluster's. */
  readonly foreign?: boolean;
}

export interface SimulatedKubernetesRole {
  readonly role: string;
  readonly mount: string;
  /** A projected token of the role's service account. */
  token(overrides?: TokenOverrides): string;
  destroy(): void;
}

function termsOf({ policies, tokenTtl = 0, tokenMaxTtl = 0, tokenType = 'service' }: RoleOptions): TokenTerms {
  return { policies, ttl: tokenTtl, maxTtl: tokenMaxTtl, type: tokenType };
}

/** Makes an AppRole, and its mount if there is none. */
export function createAppRole(options: AppRoleOptions, { namespaces, now }: VaultCluster): SimulatedAppRole {
  const { mount = 'approle', secretIdNumUses = 0, secretIdTtl = 0, boundCidrs = [] } = options;
  const path = `auth/${canonicalPath(mount)}`;
  const { roles } = mountAt(namespaces.require(options.namespace), {
    path,
    kind: 'approle',
    roles: new AppRoleMount(now),
  });
  const roleId = randomUUID();
  const role: AppRole = {
    name: options.name ?? `role-${roleId.slice(0, 8)}`,
    roleId,
    terms: termsOf(options),
    secretIdNumUses,
    secretIdTtl,
    boundCidrs,
    secretIds: new Map(),
  };
  roles.add(role);
  return {
    roleId,
    mount,
    newSecretId: () => roles.newSecretId(role),
    destroySecretId: (secretId) => {
      role.secretIds.delete(secretId);
    },
    usesLeft: (secretId) => {
      const entry = role.secretIds.get(secretId);
      return entry === undefined ? 0 : entry.usesLeft;
    },
    destroy: () => roles.remove(role),
  };
}

/** Makes a role of Kubernetes auth, and its mount if there is none. */
export function createKubernetesRole(
  options: KubernetesOptions,
  { cluster, kubernetes }: { cluster: VaultCluster; kubernetes: Cluster },
): SimulatedKubernetesRole {
  const { mount = 'kubernetes', role: name, audience, issuer } = options;
  const account = options.serviceAccount ?? { name: 'keyproxy', namespace: 'keyproxy' };
  const { roles } = mountAt(cluster.namespaces.require(options.namespace), {
    path: `auth/${canonicalPath(mount)}`,
    kind: 'kubernetes',
    roles: new KubernetesMount({ now: cluster.now, cluster: kubernetes, issuer }),
  });
  const role: KubernetesRole = {
    name,
    audience,
    boundNames: options.boundNames ?? [account.name],
    boundNamespaces: options.boundNamespaces ?? [account.namespace],
    terms: termsOf(options),
  };
  roles.add(role);
  const uid = randomUUID();
  return {
    role: name,
    mount,
    token: (overrides = {}) => {
      const claims = claimsOf({ ...account, uid, audience, now: cluster.now() }, overrides);
      return kubernetes.token(claims, { foreign: overrides.foreign === true });
    },
    destroy: () => roles.remove(role),
  };
}

function claimsOf(
  own: { name: string; namespace: string; uid: string; audience: string; now: number },
  overrides: TokenOverrides,
): ProjectedClaims {
  const { audience = own.audience, issuer = 'https://kubernetes.default.svc.cluster.local' } = overrides;
  const { expiresInSeconds = 3600 } = overrides;
  const seconds = Math.floor(own.now / 1000);
  return {
    name: overrides.name ?? own.name,
    namespace: overrides.namespace ?? own.namespace,
    uid: own.uid,
    audience: typeof audience === 'string' ? [audience] : audience,
    issuer,
    issuedAt: Math.min(seconds, seconds + expiresInSeconds - 1),
    expiresAt: seconds + expiresInSeconds,
  };
}
