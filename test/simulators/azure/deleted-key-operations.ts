/** The operations on keys that have been deleted and not yet purged ("Azure Key Vault soft-delete overview"). */
import type { Reply } from './answering.ts';
import { current, deletion, keyBundle, keyItem } from './key-bundles.ts';
import type { KeyRecord } from './keys.ts';
import { page } from './pages.ts';
import { keyNotFound } from './vault-errors.ts';
import type { VaultOperation, VaultRequest } from './vault-operation.ts';

/** Every operation by its name in the reference, in camel case. */
export const deletedKeyOperations: Readonly<Record<string, VaultOperation>> = {
  getDeletedKeys: { method: 'GET', paths: ['deletedkeys'], permission: 'list', run: getDeletedKeys },
  getDeletedKey: { method: 'GET', paths: ['deletedkeys/:name'], permission: 'get', run: getDeletedKey },
  recoverDeletedKey: { method: 'POST', paths: ['deletedkeys/:name/recover'], permission: 'recover', run: recover },
  purgeDeletedKey: { method: 'DELETE', paths: ['deletedkeys/:name'], permission: 'purge', run: purge },
};

function getDeletedKeys({ vault, request }: VaultRequest): Reply {
  const origin = vault.origin();
  const items = vault.keys.list('deleted').map((key) => ({ ...deletion(origin, key), ...keyItem(origin, key) }));
  return { body: page(items, request, `${origin}/deletedkeys`) };
}

async function getDeletedKey(asked: VaultRequest): Promise<Reply> {
  const key = found(asked);
  const origin = asked.vault.origin();
  return { body: { ...deletion(origin, key), ...(await keyBundle(origin, key, current(key))) } };
}

async function recover(asked: VaultRequest): Promise<Reply> {
  const key = found(asked);
  asked.vault.keys.recover(key);
  return { body: await keyBundle(asked.vault.origin(), key, current(key)) };
}

function purge(asked: VaultRequest): Reply {
  asked.vault.keys.purge(found(asked));
  return { status: 204 };
}

function found({ vault, name }: VaultRequest): KeyRecord {
  const key = vault.keys.findDeleted(name);
  if (key === undefined) throw keyNotFound(name);
  return key;
}
