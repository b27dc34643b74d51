/** Applications and managed identities as a test holds them. */
import { type ApplicationRecord, type Directory, setSecret } from './directory.ts';
import type { Imds } from './imds.ts';

export interface SimulatedApplication {
  readonly clientId: string;
  /** Of its service principal: what permissions are granted to. */
  readonly objectId: string;
  readonly tenant: string;
  /** The client secret that it has at the moment. */
  readonly secret: string;
  /** Nobody logs in as it any more, and its tokens are worth nothing, as with Continuous Access Evaluation. */
  disable(): void;
  enable(): void;
  /** Replaces the secret, by a new one unless one is given, and returns it. */
  setSecret(secret?: string): string;
  /** The secret's time is over; it is still known as the application's. */
  expireSecret(): void;
  /** A Conditional Access policy for workload identities refuses its logins, or no longer does. */
  setConditionalAccess(state: 'blocked' | 'allowed'): void;
  /** Deletes the registration. */
  remove(): void;
}

export interface SimulatedIdentity {
  readonly clientId: string;
  /** What permissions are granted to. */
  readonly objectId: string;
  readonly tenant: string;
  /** As for applications. */
  disable(): void;
  enable(): void;
  /** Takes the identity from the machine. */
  remove(): void;
}

/** Adds an application with a secret, and its tenant where that is new. */
export function addApplication(
  directory: Directory,
  { tenant, secret }: { tenant: string; secret?: string },
): SimulatedApplication {
  directory.addTenant({ id: tenant, domains: [] });
  const record = directory.addApplication({ tenant, kind: 'application' });
  let held = setSecret(record, secret);
  return {
    ...identityOf(record),
    get secret() {
      return held;
    },
    setSecret: (next) => {
      held = setSecret(record, next);
      return held;
    },
    expireSecret: () => {
      record.secretState = 'expired';
    },
    setConditionalAccess: (state) => {
      record.blocked = state === 'blocked';
    },
    remove: () => directory.removeApplication(record.clientId),
  };
}

/** Adds a managed identity to the machine: system-assigned, or with a client id of its own user-assigned. */
export function addManagedIdentity(
  { directory, imds }: { directory: Directory; imds: Imds },
  { tenant, clientId }: { tenant: string; clientId?: string },
): SimulatedIdentity {
  const assignment = clientId === undefined ? 'system' : 'user';
  if (assignment === 'system' && imds.identities.some((identity) => identity.assignment === 'system')) {
    throw new Error('a machine has one identity of its own');
  }
  const record = directory.addApplication({
    tenant,
    kind: 'managed-identity',
    ...(clientId !== undefined && { clientId }),
  });
  imds.identities.push({ record, assignment });
  return {
    ...identityOf(record),
    remove: () => {
      directory.removeApplication(record.clientId);
      const at = imds.identities.findIndex((identity) => identity.record === record);
      if (at >= 0) imds.identities.splice(at, 1);
    },
  };
}

function identityOf(record: ApplicationRecord): Omit<SimulatedIdentity, 'remove'> {
  const { clientId, objectId, tenant } = record;
  return {
    clientId,
    objectId,
    tenant,
    disable: () => {
      record.enabled = false;
    },
    enable: () => {
      record.enabled = true;
    },
  };
}
