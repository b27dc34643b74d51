/** Login by AppRole and Kubernetes, and what a token does to itself. */
import { refusal } from './errors.ts';
import type { LogicalRequest, Reply, Route } from './logical.ts';
import type { Mount, Namespace } from './mounts.ts';
import { type EntityIds, secondsLeft, type Token, type TokenOrigin, type TokenStore } from './tokens.ts';

/** What logins and tokens need of the server. */
export interface AuthBackend {
  readonly tokens: TokenStore;
  readonly entities: EntityIds;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** A login method in its namespace. */
export interface LoginBackend<M extends Mount> extends AuthBackend {
  readonly namespace: Namespace;
  readonly mount: M;
}

type AppRole = Extract<Mount, { kind: 'approle' }>;
type Kubernetes = Extract<Mount, { kind: 'kubernetes' }>;

/** The paths of AppRole that need no token. */
export const approleRoutes: readonly Route<LoginBackend<AppRole>>[] = [
  {
    pattern: /^login$/,
    names: { update: 'approle-login' },
    schema: { role_id: 'string', secret_id: 'string' },
    handlers: { update: approleLogin },
  },
];

/** The paths of Kubernetes auth that need no token. */
export const kubernetesRoutes: readonly Route<LoginBackend<Kubernetes>>[] = [
  {
    pattern: /^login$/,
    names: { update: 'kubernetes-login' },
    schema: { role: 'string', jwt: 'string' },
    handlers: { update: kubernetesLogin },
  },
];

/** `auth/token/…`, always in the namespace of the token. */
export const tokenRoutes: readonly Route<AuthBackend>[] = [
  {
    pattern: /^lookup-self$/,
    names: { read: 'lookup-self' },
    schema: {},
    handlers: { read: (request, { now }) => ({ data: lookup(tokenOf(request), now()) }) },
  },
  {
    pattern: /^renew-self$/,
    names: { update: 'renew-self' },
    schema: { increment: 'duration', token: 'string' },
    handlers: { update: renew },
  },
  {
    pattern: /^revoke-self$/,
    names: { update: 'revoke-self' },
    schema: {},
    handlers: {
      update: (request, { tokens }) => {
        tokens.revoke(tokenOf(request));
        return undefined;
      },
    },
  },
];

function approleLogin({ fields, remoteAddress }: LogicalRequest, backend: LoginBackend<AppRole>): Reply {
  const { mount } = backend;
  const given = { roleId: fields.string('role_id'), secretId: fields.string('secret_id'), remoteAddress };
  const role = mount.roles.logIn(given);
  return issued(backend, {
    alias: role.roleId,
    displayName: nameOf(backend),
    meta: { role_name: role.name },
    terms: () => mount.roles.termsOf(role),
  });
}

function kubernetesLogin({ fields }: LogicalRequest, backend: LoginBackend<Kubernetes>): Reply {
  const { mount } = backend;
  const { role, account } = mount.roles.logIn({ role: fields.string('role'), jwt: fields.string('jwt') });
  return issued(backend, {
    alias: account.uid,
    displayName: `${nameOf(backend)}-${account.namespace}-${account.name}`,
    meta: {
      role: role.name,
      service_account_name: account.name,
      service_account_namespace: account.namespace,
      service_account_secret_name: '',
      service_account_uid: account.uid,
    },
    terms: () => mount.roles.termsOf(role),
  });
}

function issued(
  { tokens, entities, namespace, mount, now }: LoginBackend<Mount>,
  { alias, ...origin }: Pick<TokenOrigin, 'displayName' | 'meta' | 'terms'> & { alias: string },
): Reply {
  const entityId = entities.of(namespace.path + mount.path, alias);
  const path = `${mount.path}login`;
  const { token, warnings } = tokens.issue({ ...origin, entityId, namespacePath: namespace.path, path });
  return { auth: authBlock(token, now()), ...(warnings.length > 0 && { warnings }) };
}

/** `auth/a/b/` → `a-b`; in a namespace `auth` stays, as the server has it. */
function nameOf({ namespace, mount }: LoginBackend<Mount>): string {
  return `${namespace.path}${mount.path}`
    .replace(/^auth\//, '')
    .replace(/\/$/, '')
    .replaceAll('/', '-');
}

function renew(request: LogicalRequest, { tokens, now }: AuthBackend): Reply {
  const token = tokenOf(request);
  const warnings = tokens.renew(token, request.fields.seconds('increment'));
  return { auth: authBlock(token, now()), ...(warnings.length > 0 && { warnings }) };
}

function tokenOf({ token }: LogicalRequest): Token {
  if (token === undefined) throw refusal('permission denied', 403);
  return token;
}

/** The `auth` part of an answer to a login or a renewal. */
function authBlock(token: Token, now: number): Readonly<Record<string, unknown>> {
  return {
    client_token: token.id,
    accessor: token.accessor,
    policies: token.policies,
    token_policies: token.policies,
    metadata: token.meta,
    lease_duration: Math.round((token.expiresAt - now) / 1000),
    renewable: token.type === 'service',
    entity_id: token.entityId,
    token_type: token.type,
    orphan: true,
    mfa_requirement: null,
    num_uses: 0,
  };
}

function lookup(token: Token, now: number): Readonly<Record<string, unknown>> {
  return {
    accessor: token.accessor,
    creation_time: token.issuedAt / 1000,
    creation_ttl: token.creationTtl,
    display_name: token.displayName,
    entity_id: token.entityId,
    expire_time: new Date(token.expiresAt).toISOString(),
    explicit_max_ttl: 0,
    id: token.id,
    issue_time: new Date(token.issuedAt).toISOString(),
    ...(token.renewedAt !== undefined && {
      last_renewal: new Date(token.renewedAt).toISOString(),
      last_renewal_time: Math.floor(token.renewedAt / 1000),
    }),
    meta: token.meta,
    ...(token.namespacePath !== '' && { namespace_path: token.namespacePath }),
    num_uses: 0,
    orphan: true,
    path: token.path,
    policies: token.policies,
    renewable: token.type === 'service',
    ttl: secondsLeft(token, now),
    type: token.type,
  };
}
