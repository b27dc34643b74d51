/** Users and roles as a test makes them: with the policies that an account's administrator would give them. */
import type { SimulatedCloud } from './dispatch.ts';
import { type IssuedCredentials, newUniqueId, type Role } from './identities.ts';
import { type PolicySource, parsePolicy } from './policy-document.ts';
import { startSession } from './sts-session.ts';

/** An IAM user with a long-lived key. */
export interface SimulatedUser extends IssuedCredentials {
  readonly arn: string;
  readonly accountId: string;
  /** Deletes the user's key. */
  deleteKey(): void;
}

export interface UserOptions {
  readonly name: string;
  readonly accountId?: string;
  /** What the user may do; everything where nothing is given. */
  readonly permissions?: PolicySource;
}

export interface RoleOptions {
  readonly name: string;
  readonly accountId?: string;
  readonly trust: PolicySource;
  /** What the role may do; everything where nothing is given. */
  readonly permissions?: PolicySource;
  /** 3600 (as at AWS, unless changed) to 43200. */
  readonly maxSessionSeconds?: number;
}

/** Session credentials with their end. */
export interface SessionCredentials extends IssuedCredentials {
  readonly sessionToken: string;
  readonly expiration: Date;
}

export interface SimulatedRole {
  readonly arn: string;
  readonly accountId: string;
  readonly name: string;
  setTrust(trust: PolicySource): void;
  setPermissions(permissions: PolicySource): void;
  /** Makes a session as AWS's own services do for what runs there, instances and pods, whatever the trust policy says. */
  session(options: { name: string; seconds: number }): SessionCredentials;
  /** Ends its sessions at once, as time would. */
  expireSessions(): void;
  /** Deletes the role; its sessions are invalid from now on. */
  remove(): void;
}

/** Adds a user. */
export function addUser(cloud: SimulatedCloud, options: UserOptions & { accountId: string }): SimulatedUser {
  const { name, accountId, permissions } = options;
  const arn = `arn:aws:iam::${accountId}:user/${name}`;
  const allowed = permissions === undefined ? 'everything' : parsePolicy(permissions, 'identity');
  const uniqueId = newUniqueId('AIDA');
  const issued = cloud.credentials.issue({ kind: 'user', arn, accountId, uniqueId, permissions: allowed });
  return { ...issued, arn, accountId, deleteKey: () => cloud.credentials.remove(issued.accessKeyId) };
}

/** Adds a role; throws where its account has one of that name. */
export function addRole(cloud: SimulatedCloud, options: RoleOptions & { accountId: string }): SimulatedRole {
  const { name, accountId, maxSessionSeconds = 3600, permissions } = options;
  const arn = `arn:aws:iam::${accountId}:role/${name}`;
  if (cloud.roles.has(arn)) throw new Error(`${arn} exists already`);
  if (maxSessionSeconds < 3600 || maxSessionSeconds > 43_200) throw new RangeError('a session lasts 1 to 12 hours');
  const role: Role = {
    kind: 'role',
    arn,
    accountId,
    name,
    uniqueId: newUniqueId('AROA'),
    trust: parsePolicy(options.trust, 'trust'),
    permissions: permissions === undefined ? 'everything' : parsePolicy(permissions, 'identity'),
    maxSessionSeconds,
    removed: false,
  };
  cloud.roles.set(arn, role);
  return administratorsView(role, cloud);
}

function administratorsView(role: Role, cloud: SimulatedCloud): SimulatedRole {
  return {
    arn: role.arn,
    accountId: role.accountId,
    name: role.name,
    setTrust: (trust) => {
      role.trust = parsePolicy(trust, 'trust');
    },
    setPermissions: (given) => {
      role.permissions = parsePolicy(given, 'identity');
    },
    session: ({ name, seconds }) => {
      const terms = { sessionName: name, seconds, policy: undefined };
      const { credentials, expiresAt } = startSession(role, terms, {
        credentials: cloud.credentials,
        now: cloud.now(),
      });
      const { sessionToken = '' } = credentials;
      return { ...credentials, sessionToken, expiration: new Date(expiresAt) };
    },
    expireSessions: () => cloud.credentials.expireSessions(cloud.now(), role),
    remove: () => {
      role.removed = true;
      if (cloud.roles.get(role.arn) === role) cloud.roles.delete(role.arn);
    },
  };
}

/** A trust policy for one principal (ARN or account id), that demands the external id where one is given. */
export function trustFor({ principal, externalId }: { principal: string; externalId?: string }): object {
  const condition = externalId === undefined ? {} : { Condition: { StringEquals: { 'sts:ExternalId': externalId } } };
  const statement = { Effect: 'Allow', Principal: { AWS: principal }, Action: 'sts:AssumeRole', ...condition };
  return { Version: '2012-10-17', Statement: [statement] };
}
