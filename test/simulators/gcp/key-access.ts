/** The checks that every use of a key begins with: permission, existence, state, purpose, external key manager. */
import type { SimulatedCloud } from './cloud.ts';
import { disablesVersion, ekmError } from './ekm.ts';
import { demand } from './iam.ts';
import type { KeyRecord, Purpose, VersionRecord } from './keys.ts';
import { ServiceError } from './status.ts';

/** A version, and the key that it belongs to. */
export interface VersionOfKey {
  readonly key: KeyRecord;
  readonly version: VersionRecord;
}

/** The key of that name, for a caller that has the permission; PERMISSION_DENIED comes before NOT_FOUND. */
export function keyFor(
  cloud: SimulatedCloud,
  access: { name: string; permission: string; principal: string },
): KeyRecord {
  demandOn(cloud, access);
  return cloud.keys.key(access.name);
}

/** As `keyFor`, for the name of a version. */
export function versionFor(
  cloud: SimulatedCloud,
  access: { name: string; permission: string; principal: string },
): VersionOfKey {
  demandOn(cloud, access);
  return cloud.keys.version(access.name);
}

function demandOn(cloud: SimulatedCloud, access: { name: string; permission: string; principal: string }): void {
  const { name, permission, principal } = access;
  demand(cloud.policies, { principal, permission, resource: name });
}

/** Throws FAILED_PRECONDITION unless the version may be used; names the state as Cloud KMS does. */
export function demandEnabled({ name, state }: VersionRecord): void {
  if (state === 'ENABLED') return;
  const description = `${name} is not enabled, current state is: ${state}.`;
  throw new ServiceError('FAILED_PRECONDITION', description, [
    { type: 'PreconditionFailure', violations: [{ type: `KEY_${state}`, subject: name, description }] },
  ]);
}

/** Throws FAILED_PRECONDITION unless the key is for `purpose`. */
export function demandPurpose(key: KeyRecord, purpose: Purpose): void {
  if (key.purpose === purpose) return;
  const text = `The CryptoKey ${key.name} has the purpose ${key.purpose}; the operation requires ${purpose}.`;
  throw new ServiceError('FAILED_PRECONDITION', text);
}

/** Throws what the external key manager behind the key suffers from; may disable the version, as Cloud EKM does. */
export function askExternalManager({ key, version }: VersionOfKey): void {
  if (key.ekm === undefined) return;
  if (disablesVersion(key.ekm)) version.state = 'DISABLED';
  throw ekmError(key.ekm, version);
}
