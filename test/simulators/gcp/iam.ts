/**
 * Who may do what: allow policies on keys, key rings and projects, by default nothing.
 *
 * Source: "Cloud KMS permissions and roles" (https://cloud.google.com/kms/docs/reference/permissions-and-roles); "Principal
 * identifiers" (https://cloud.google.com/iam/docs/principal-identifiers).
 */
import { policyLine } from './resource-names.ts';
import { ServiceError } from './status.ts';

const places = ['cloudkms.locations.get', 'cloudkms.locations.list', 'resourcemanager.projects.get'];

const roles: Readonly<Record<string, readonly string[]>> = {
  'roles/cloudkms.cryptoKeyEncrypterDecrypter': [
    'cloudkms.cryptoKeyVersions.useToDecrypt',
    'cloudkms.cryptoKeyVersions.useToEncrypt',
    ...places,
  ],
  'roles/cloudkms.cryptoKeyEncrypter': ['cloudkms.cryptoKeyVersions.useToEncrypt', ...places],
  'roles/cloudkms.cryptoKeyDecrypter': ['cloudkms.cryptoKeyVersions.useToDecrypt', ...places],
  'roles/cloudkms.publicKeyViewer': ['cloudkms.cryptoKeyVersions.viewPublicKey', ...places],
  'roles/cloudkms.viewer': [
    'cloudkms.cryptoKeyVersions.get',
    'cloudkms.cryptoKeyVersions.list',
    'cloudkms.cryptoKeys.get',
    'cloudkms.cryptoKeys.list',
    'cloudkms.keyRings.get',
    'cloudkms.keyRings.list',
    ...places,
  ],
};

const permissionForm = /^[a-z][a-zA-Z]*\.[a-zA-Z]+\.[a-zA-Z]+$/;
const setForm = /^principalSet:\/\/(.+)\/\*$/;

/** The allow policies of all resources. */
export class Policies {
  /** Resource → member → permissions. */
  readonly #bindings = new Map<string, Map<string, Set<string>>>();

  /** Grants roles or single permissions on a resource. Throws for roles that the simulator does not know. */
  grant(member: string, resource: string, given: readonly string[]): void {
    const members = this.#bindings.get(resource) ?? new Map<string, Set<string>>();
    const permissions = members.get(member) ?? new Set<string>();
    for (const permission of given.flatMap(permissionsOf)) permissions.add(permission);
    this.#bindings.set(resource, members.set(member, permissions));
  }

  /** Takes roles or permissions away again; all of them where none is given. */
  revoke(member: string, resource: string, taken: readonly string[]): void {
    const permissions = this.#bindings.get(resource)?.get(member);
    if (taken.length === 0) permissions?.clear();
    for (const permission of taken.flatMap(permissionsOf)) permissions?.delete(permission);
  }

  /** Takes a resource's own policy away, as when the resource is deleted. */
  forget(resource: string): void {
    this.#bindings.delete(resource);
  }

  /** Whether a principal has a permission on a resource, by its own policy or one that it inherits. */
  allows(principal: string, resource: string, permission: string): boolean {
    return policyLine(resource).some((level) => {
      const members = [...(this.#bindings.get(level) ?? [])];
      return members.some(([member, permissions]) => includes(member, principal) && permissions.has(permission));
    });
  }
}

/** Throws PERMISSION_DENIED, in words that do not tell whether the resource exists. */
export function demand(
  policies: Policies,
  { principal, resource, permission }: { principal: string; resource: string; permission: string },
): void {
  if (policies.allows(principal, resource, permission)) return;
  throw new ServiceError(
    'PERMISSION_DENIED',
    `Permission '${permission}' denied on resource '${resource}' (or it may not exist).`,
    [
      {
        type: 'ErrorInfo',
        reason: 'IAM_PERMISSION_DENIED',
        domain: 'iam.googleapis.com',
        metadata: { permission, resource },
      },
    ],
  );
}

/** Whether a member of a binding stands for a principal: itself, or every identity of its pool. */
export function includes(member: string, principal: string): boolean {
  if (member === principal) return true;
  const pool = setForm.exec(member)?.[1];
  return pool !== undefined && principal.startsWith(`principal://${pool}/subject/`);
}

function permissionsOf(given: string): readonly string[] {
  const role = roles[given];
  if (role !== undefined) return role;
  if (!permissionForm.test(given)) throw new TypeError(`${given} is neither a role that is simulated nor a permission`);
  return [given];
}
