/** The reading methods of Cloud KMS: keys, versions, public keys. */
import { crc32cValue } from './crc32c.ts';
import type { Message } from './definitions.ts';
import { demandEnabled, keyFor, versionFor } from './key-access.ts';
import { factsOf, type KeyRecord, type VersionRecord } from './keys.ts';
import type { KmsRequest } from './kms.ts';
import { integer, text } from './message-fields.ts';
import { checkName } from './resource-names.ts';
import { ServiceError } from './status.ts';
import { parseFilter } from './version-filter.ts';

const defaultPage = 100;
const largestPage = 1000;

/** The key and a copy of its primary. */
export function getCryptoKey({ message, caller, cloud }: KmsRequest): Message {
  const name = text(message, 'name');
  checkName(name, 'name', ['key']);
  const access = { name, permission: 'cloudkms.cryptoKeys.get', principal: caller.principal };
  return keyMessage(keyFor(cloud, access));
}

/** One version: its state, algorithm and times. */
export function getCryptoKeyVersion({ message, caller, cloud }: KmsRequest): Message {
  const name = text(message, 'name');
  checkName(name, 'name', ['version']);
  const access = { name, permission: 'cloudkms.cryptoKeyVersions.get', principal: caller.principal };
  return versionMessage(versionFor(cloud, access).version);
}

/** The PEM of an asymmetric version that is enabled. The newer form, `public_key_format`, is not followed. */
export async function getPublicKey({ message, caller, cloud }: KmsRequest): Promise<Message> {
  const name = text(message, 'name');
  checkName(name, 'name', ['version']);
  const access = { name, permission: 'cloudkms.cryptoKeyVersions.viewPublicKey', principal: caller.principal };
  const { version } = versionFor(cloud, access);
  demandEnabled(version);
  if (factsOf(version.algorithm).pair === undefined || version.pair === undefined) {
    throw new ServiceError(
      'FAILED_PRECONDITION',
      `Keys with algorithm ${version.algorithm} do not contain a public key.`,
    );
  }
  const asked = message['publicKeyFormat'];
  if (asked !== 'PUBLIC_KEY_FORMAT_UNSPECIFIED') {
    throw new ServiceError('UNIMPLEMENTED', `The simulator does not follow public_key_format ${asked}.`);
  }
  const { publicKey } = await version.pair();
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  return {
    name: version.name,
    pem,
    pemCrc32c: crc32cValue(Buffer.from(pem)),
    algorithm: version.algorithm,
    protectionLevel: version.protectionLevel,
  };
}

/** Pages of versions, in the order of their numbers or, by `order_by`, of their names, which is not the same. */
export function listCryptoKeyVersions({ message, caller, cloud }: KmsRequest): Message {
  const parent = text(message, 'parent');
  checkName(parent, 'parent', ['key']);
  const access = { name: parent, permission: 'cloudkms.cryptoKeyVersions.list', principal: caller.principal };
  const key = keyFor(cloud, access);
  const filter = text(message, 'filter');
  const matches = parseFilter(filter);
  const all = key.versions.map(versionMessage).filter(matches);
  const sorted = sort(all, text(message, 'orderBy'));
  const from = startOf(text(message, 'pageToken'));
  const asked = integer(message, 'pageSize');
  if (asked < 0) throw new ServiceError('INVALID_ARGUMENT', 'page_size must not be negative.');
  const end = from + Math.min(asked === 0 ? defaultPage : asked, largestPage);
  return {
    cryptoKeyVersions: sorted.slice(from, end),
    nextPageToken: end < sorted.length ? Buffer.from(`from:${end}`).toString('base64url') : '',
    ...(filter === '' ? { totalSize: sorted.length } : {}),
  };
}

function sort(versions: Message[], order: string): Message[] {
  const direction = { '': 0, name: 1, 'name asc': 1, 'name desc': -1 }[order];
  if (direction === undefined) throw new ServiceError('INVALID_ARGUMENT', `Unsupported order_by: ${order}.`);
  return versions.toSorted((a, b) => direction * (text(a, 'name') < text(b, 'name') ? -1 : 1));
}

function startOf(pageToken: string): number {
  if (pageToken === '') return 0;
  const start = /^from:(\d+)$/.exec(Buffer.from(pageToken, 'base64url').toString())?.[1];
  if (start === undefined) throw new ServiceError('INVALID_ARGUMENT', 'Invalid page_token.');
  return Number(start);
}

function keyMessage(key: KeyRecord): Message {
  return {
    name: key.name,
    purpose: key.purpose,
    labels: key.labels,
    createTime: timestamp(key.createdAt),
    versionTemplate: { protectionLevel: key.protectionLevel, algorithm: key.algorithm },
    destroyScheduledDuration: { seconds: String(30 * 86_400), nanos: 0 },
    ...(key.primary === undefined ? {} : { primary: versionMessage(key.primary) }),
  };
}

function versionMessage(version: VersionRecord): Message {
  const { state, destroyAt } = version;
  return {
    name: version.name,
    state,
    protectionLevel: version.protectionLevel,
    algorithm: version.algorithm,
    createTime: timestamp(version.createdAt),
    generateTime: timestamp(version.createdAt),
    ...(state === 'DESTROY_SCHEDULED' && destroyAt !== undefined ? { destroyTime: timestamp(destroyAt) } : {}),
    ...(state === 'DESTROYED' && destroyAt !== undefined ? { destroyEventTime: timestamp(destroyAt) } : {}),
    ...(version.protectionLevel === 'EXTERNAL'
      ? { externalProtectionLevelOptions: { externalKeyUri: `https://ekm.example.com/v0/${version.number}` } }
      : {}),
  };
}

function timestamp(ms: number): { seconds: string; nanos: number } {
  return { seconds: String(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
}
