/** Keys as the service describes them (REST reference: KeyBundle, KeyItem, DeletedKeyBundle, KeyAttributes). */
import { type KeyRecord, type KeyVersion, purgeTimeOf, recoverableDays } from './keys.ts';

/** The key's identifier at this vault; with a version of that version. */
export function kidOf(origin: string, key: Pick<KeyRecord, 'name'>, version?: KeyVersion): string {
  return `${origin}/keys/${key.name}${version === undefined ? '' : `/${version.version}`}`;
}

/** The whole of a version, with its public part where it has one. */
export async function keyBundle(origin: string, key: KeyRecord, version: KeyVersion): Promise<object> {
  const jwk = { kid: kidOf(origin, key, version), kty: key.type, key_ops: key.uses, ...(await publicPart(version)) };
  return { key: jwk, attributes: attributes(key, version), ...tagsOf(version) };
}

/** The field is left out where there are none. */
function tagsOf({ tags }: KeyVersion): { tags?: Readonly<Record<string, string>> } {
  return Object.keys(tags).length === 0 ? {} : { tags };
}

async function publicPart({ material }: KeyVersion): Promise<object> {
  if (material.kind === 'secret') return {};
  const { n, e, crv, x, y } = (await material.pair()).publicKey.export({ format: 'jwk' });
  return n === undefined ? { crv, x, y } : { n, e };
}

/** A line of a list. */
export function keyItem(origin: string, key: KeyRecord, version?: KeyVersion): object {
  const shown = version ?? current(key);
  return { kid: kidOf(origin, key, version), attributes: attributes(key, shown), ...tagsOf(shown) };
}

/** What is added to the description of a deleted key. */
export function deletion(origin: string, key: KeyRecord): object {
  return {
    recoveryId: `${origin}/deletedkeys/${key.name}`,
    deletedDate: seconds(key.deletedAt ?? 0),
    scheduledPurgeDate: seconds(purgeTimeOf(key)),
  };
}

/** The newest version: what stands for a key where no version is named. */
export function current(key: KeyRecord): KeyVersion {
  const newest = key.versions.at(-1);
  if (newest === undefined) throw new Error(`${key.name} has no version`);
  return newest;
}

function attributes(key: KeyRecord, version: KeyVersion): object {
  const { enabled, notBefore, expires, created, updated } = version;
  return {
    enabled,
    ...(notBefore !== undefined && { nbf: seconds(notBefore) }),
    ...(expires !== undefined && { exp: seconds(expires) }),
    created: seconds(created),
    updated: seconds(updated),
    recoveryLevel: 'Recoverable+Purgeable',
    recoverableDays,
    exportable: false,
    ...(key.type.endsWith('-HSM') && { hsmPlatform: '2' }),
  };
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
