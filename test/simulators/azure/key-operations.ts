/** The operations on keys that a vault offers to those who use them, as a table from name to answer. */
import { jsonObject, type Notes, type Reply, ServiceError } from './answering.ts';
import { current, deletion, keyBundle, keyItem, kidOf } from './key-bundles.ts';
import { algorithmFor } from './key-encryption.ts';
import type { KeyRecord, KeyUse, KeyVersion } from './keys.ts';
import { page } from './pages.ts';
import { badParameter, keyNotFound, refusal } from './vault-errors.ts';
import type { VaultOperation, VaultRequest } from './vault-operation.ts';

/** Every operation by its name in the reference, in camel case. */
export const keyOperations: Readonly<Record<string, VaultOperation>> = {
  getKeys: { method: 'GET', paths: ['keys'], permission: 'list', run: getKeys },
  getKeyVersions: { method: 'GET', paths: ['keys/:name/versions'], permission: 'list', run: getKeyVersions },
  getKey: { method: 'GET', paths: ['keys/:name', 'keys/:name/:version'], permission: 'get', run: getKey },
  deleteKey: { method: 'DELETE', paths: ['keys/:name'], permission: 'delete', run: deleteKey },
  wrapKey: useOf('wrapKey', 'forth'),
  unwrapKey: useOf('unwrapKey', 'back'),
  encrypt: useOf('encrypt', 'forth'),
  decrypt: useOf('decrypt', 'back'),
};

function useOf(use: Extract<KeyUse, 'wrapKey' | 'unwrapKey' | 'encrypt' | 'decrypt'>, direction: 'forth' | 'back') {
  const word = use.toLowerCase();
  return {
    method: 'POST',
    paths: [`keys/:name/:version/${word}`, `keys/:name/${word}`],
    permission: use,
    run: (request: VaultRequest) => useKey(request, { use, direction }),
  } as const satisfies VaultOperation;
}

function getKeys({ vault, request }: VaultRequest): Reply {
  const origin = vault.origin();
  const items = vault.keys.list('usable').map((key) => keyItem(origin, key));
  return { body: page(items, request, `${origin}/keys`) };
}

function getKeyVersions(asked: VaultRequest): Reply {
  const { vault, request, name } = asked;
  const origin = vault.origin();
  const key = vault.keys.find(name);
  // A list of versions of a key that is not there is an empty list.
  const items = (key?.versions ?? []).flatMap((version) => (key === undefined ? [] : [keyItem(origin, key, version)]));
  return { body: page(items, request, `${origin}/keys/${name}/versions`) };
}

async function getKey(asked: VaultRequest): Promise<Reply> {
  const { key, version } = found(asked);
  return { body: await keyBundle(asked.vault.origin(), key, version) };
}

async function deleteKey(asked: VaultRequest): Promise<Reply> {
  const { vault } = asked;
  const { key, version } = found(asked);
  vault.keys.delete(key);
  return { body: { ...deletion(vault.origin(), key), ...(await keyBundle(vault.origin(), key, version)) } };
}

function found({ vault, name, version: named }: VaultRequest): { key: KeyRecord; version: KeyVersion } {
  const key = vault.keys.find(name);
  if (key === undefined) throw keyNotFound(name, named);
  const version =
    named === '' ? current(key) : key.versions.find((candidate) => candidate.version === named.toLowerCase());
  if (version === undefined) throw keyNotFound(name, named);
  return { key, version };
}

async function useKey(
  asked: VaultRequest,
  { use, direction }: { use: KeyUse; direction: 'forth' | 'back' },
): Promise<Reply> {
  const { vault, notes } = asked;
  const { algorithm, value } = parameters(asked, notes);
  const { key, version } = found(asked);
  const kid = kidOf(vault.origin(), key, version);
  const { [direction]: transform } = algorithmFor(key, kid, algorithm);
  if (!key.uses.includes(use)) throw refusal('KeyOperationForbidden', `Operation ${use} is not permitted on this key.`);
  checkState(version, { use, now: vault.now() });
  const output = await transform(version, value);
  return { body: { kid, value: output.toString('base64url') } };
}

/**
 * What a version's attributes forbid ("About keys", "Key attributes"): decrypt and unwrap are what a disabled key
 * refuses, encrypt and wrap what a key outside of its time refuses. A disabled key encrypts and wraps all the same.
 */
function checkState(version: KeyVersion, { use, now }: { use: KeyUse; now: number }): void {
  if (use === 'decrypt' || use === 'unwrapKey') {
    if (!version.enabled) throw refusal('KeyDisabled', `Operation ${use} is not allowed on a disabled key.`);
    return;
  }
  if (version.notBefore !== undefined && now < version.notBefore) {
    throw refusal('KeyNotYetValid', `Operation ${use} is not allowed on a key that is not yet valid.`);
  }
  if (version.expires !== undefined && now >= version.expires) {
    throw refusal('KeyExpired', `Operation ${use} is not allowed on an expired key.`);
  }
}

const longestValue = 8192;

/** The body of a request to use a key; base64url in its strict form, without padding. */
function parameters({ request }: VaultRequest, notes: Notes): { algorithm: string; value: Buffer } {
  if (!(request.headers.get('content-type') ?? '').startsWith('application/json')) {
    throw new ServiceError({ code: 'UnsupportedMediaType', status: 415 });
  }
  const body = jsonObject(request.body);
  if (body === undefined) throw badParameter('Property  has invalid value');
  const { alg, value } = body;
  if (typeof alg !== 'string') throw badParameter('Property alg has invalid value');
  notes.algorithm = alg.slice(0, 32);
  if (typeof value !== 'string' || value === '' || !/^[\w-]+$/.test(value)) {
    throw badParameter('Property value has invalid value');
  }
  const bytes = Buffer.from(value, 'base64url');
  if (bytes.length === 0 || bytes.length > longestValue || bytes.toString('base64url') !== value) {
    throw badParameter('Property value has invalid value');
  }
  return { algorithm: alg, value: bytes };
}
