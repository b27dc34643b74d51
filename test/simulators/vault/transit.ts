/**
 * The paths of a transit engine, and the management of its keys.
 *
 * Source: OpenBao `builtin/logical/transit/path_{keys,keys_config,rotate,config_keys}.go`, `lock_manager.go`.
 */
import { failure, refusal } from './errors.ts';
import { type LogicalRequest, namePattern, type Reply, type Route } from './logical.ts';
import type { Mount } from './mounts.ts';
import type { BatchItem } from './transit-batch.ts';
import { dataKey, decrypt, encrypt, type KeyLookup, rewrap } from './transit-crypto-paths.ts';
import {
  describeKey,
  isKeyType,
  isSymmetricType,
  type KeyMaking,
  newKey,
  rotateKey,
  type TransitKey,
  uses,
} from './transit-key.ts';
import { autoRotatePeriod, configureKey } from './transit-key-config.ts';

/** A mounted engine, with what makes keys. */
export interface TransitBackend {
  readonly mount: Extract<Mount, { kind: 'transit' }>;
  readonly making: KeyMaking;
}

const itemSchema = {
  context: 'string',
  associated_data: 'string',
  key_version: 'int',
  partial_failure_response_code: 'int',
  batch_input: 'slice',
} as const;

const path = (pattern: string): RegExp => new RegExp(`^${pattern}$`);
const create = 'create-key';

/** Every path of an engine that the simulator follows; others are unsupported. */
export const transitRoutes: readonly Route<TransitBackend>[] = [
  {
    pattern: path(`keys/${namePattern}/rotate`),
    names: { update: 'rotate-key' },
    schema: {},
    handlers: { update: rotate },
  },
  {
    pattern: path(`keys/${namePattern}/config`),
    names: { update: 'config-key' },
    schema: {
      min_decryption_version: 'int',
      min_encryption_version: 'int',
      deletion_allowed: 'bool',
      exportable: 'bool',
      allow_plaintext_backup: 'bool',
      auto_rotate_period: 'duration',
    },
    handlers: {
      update: ({ fields }, { mount }) => configureKey(mount.keys.get(fields.string('name')), fields),
    },
  },
  {
    pattern: path(`keys/${namePattern}`),
    names: { read: 'read-key', update: create, delete: 'delete-key' },
    schema: {
      type: 'string',
      derived: 'bool',
      convergent_encryption: 'bool',
      exportable: 'bool',
      allow_plaintext_backup: 'bool',
      context: 'string',
      auto_rotate_period: 'duration',
      key_size: 'int',
    },
    handlers: { read, update: createKey, delete: deleteKey },
  },
  { pattern: path('keys/?'), names: { list: 'list-keys' }, schema: {}, handlers: { list } },
  {
    pattern: path(`encrypt/${namePattern}`),
    names: { update: 'encrypt', create: 'encrypt' },
    schema: { ...itemSchema, plaintext: 'string', type: 'string', convergent_encryption: 'bool' },
    exists: (fields, { mount }) => mount.keys.has(fields.string('name')),
    handlers: {
      update: (request, backend) => encrypt(request, () => ({ key: keyOf(request, backend) })),
      create: (request, backend) => encrypt(request, (items) => upsert(request, backend, items)),
    },
  },
  {
    pattern: path(`decrypt/${namePattern}`),
    names: { update: 'decrypt' },
    schema: { ...itemSchema, ciphertext: 'string' },
    handlers: { update: (request, backend) => decrypt(request, keyOf(request, backend)) },
  },
  {
    pattern: path(`rewrap/${namePattern}`),
    names: { update: 'rewrap' },
    schema: { ciphertext: 'string', context: 'string', key_version: 'int', batch_input: 'slice' },
    handlers: { update: (request, backend) => rewrap(request, keyOf(request, backend)) },
  },
  {
    pattern: path(`datakey/(?<plaintext>\\w(?:[\\w.-]*\\w)?)/${namePattern}`),
    names: { update: 'datakey' },
    schema: { context: 'string', bits: 'int', key_version: 'int' },
    handlers: { update: (request, backend) => dataKey(request, keyOf(request, backend)) },
  },
  {
    pattern: path('config/keys'),
    names: { read: 'read-config', update: 'write-config' },
    schema: { disable_upsert: 'bool' },
    handlers: {
      read: (_request, { mount }) => ({ data: { disable_upsert: mount.disableUpsert } }),
      update: ({ fields }, { mount }) => {
        if (fields.has('disable_upsert')) mount.disableUpsert = fields.bool('disable_upsert');
        return { data: { disable_upsert: mount.disableUpsert } };
      },
    },
  },
];

function keyOf({ fields }: LogicalRequest, { mount }: TransitBackend): TransitKey | undefined {
  return mount.keys.get(fields.string('name'));
}

/** A write under a name that nothing has: makes the key, derived if the items have contexts. */
function upsert({ fields }: LogicalRequest, backend: TransitBackend, items: readonly BatchItem[]): KeyLookup {
  if (fields.bool('convergent_encryption')) throw new Error('the simulator does not follow convergent encryption');
  const type = fields.has('type') ? fields.string('type') : 'aes256-gcm96';
  if (/^ecdsa-p(?:256|384|521)$/.test(type)) throw refusal(`key type ${type} not supported for this operation`);
  if (!isSymmetricType(type)) throw refusal(`unknown key type ${type}`);
  if (backend.mount.disableUpsert) return { key: undefined };
  const key = newKey({ name: fields.string('name'), type, derived: items[0]?.context !== '' }, backend.making);
  backend.mount.keys.set(key.name, key);
  return { key };
}

async function createKey({ fields }: LogicalRequest, { mount, making }: TransitBackend): Promise<Reply> {
  if (fields.bool('convergent_encryption')) throw new Error('the simulator does not follow convergent encryption');
  const period = autoRotatePeriod(fields);
  const [name, type] = [fields.string('name'), fields.has('type') ? fields.string('type') : 'aes256-gcm96'];
  if (!isKeyType(type)) throw refusal(`unknown key type ${type}`);
  if (fields.int('key_size') !== 0) throw refusal(`key_size is not valid for algorithm ${type}`);
  const existing = mount.keys.get(name);
  if (existing !== undefined) return { data: await describeKey(existing) };
  const derived = fields.bool('derived');
  if (derived && !uses(type).derivation) {
    throw failure(`key derivation and convergent encryption not supported for keys of type ${type}`);
  }
  const key = newKey({ name, type, derived }, making);
  key.autoRotatePeriod = period;
  key.exportable = fields.bool('exportable');
  key.allowPlaintextBackup = fields.bool('allow_plaintext_backup');
  mount.keys.set(name, key);
  return { data: await describeKey(key) };
}

async function read(request: LogicalRequest, backend: TransitBackend): Promise<Reply | undefined> {
  const key = keyOf(request, backend);
  return key === undefined ? undefined : { data: await describeKey(key) };
}

function list(_request: LogicalRequest, { mount }: TransitBackend): Reply | undefined {
  return mount.keys.size === 0 ? undefined : { data: { keys: [...mount.keys.keys()].sort() } };
}

async function rotate(request: LogicalRequest, backend: TransitBackend): Promise<Reply> {
  const key = keyOf(request, backend);
  if (key === undefined) throw refusal('key not found');
  rotateKey(key, backend.making);
  return { data: await describeKey(key) };
}

function deleteKey(request: LogicalRequest, backend: TransitBackend): undefined {
  const key = keyOf(request, backend);
  const name = request.fields.string('name');
  if (key === undefined) throw refusal(`error deleting policy ${name}: could not delete key; not found`);
  if (!key.deletionAllowed) throw refusal(`error deleting policy ${name}: deletion is not allowed for this key`);
  backend.mount.keys.delete(name);
}
