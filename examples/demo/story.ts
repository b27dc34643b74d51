/**
 * What the demo does, in two acts with a restart between them. First records are encrypted and data keys made; then a
 * daemon that remembers nothing opens all of it, and refuses what it must.
 */
import { type KeyProxyClient, Refused } from '../node/keyproxy-client.ts';
import type { DemoRecord } from './records.ts';
import type { Tally } from './tally.ts';

/** The tenants of `serve --dev`. Both live under one key: only their names keep them apart. */
const tenants = ['demo', 'demo-2'] as const;
type Tenant = (typeof tenants)[number];

const sources = ['DEK_SOURCE_DERIVED', 'DEK_SOURCE_KMS'] as const;

/** Data keys of each source for each tenant. */
const keysOfEach = 25;

/** Calls under way at a time. */
const concurrency = 16;

/** A plaintext this long does not turn up in its ciphertext by chance. */
const tellingBytes = 16;

interface Encrypted {
  readonly tenant: Tenant;
  readonly record: DemoRecord;
  readonly ciphertext: Buffer;
}

interface DataKey {
  readonly tenant: Tenant;
  readonly source: string;
  readonly plaintext: Buffer;
  readonly wrapped: Buffer;
}

/** What an application would have stored at the restart, with what it should get back. */
export interface Stored {
  readonly encrypted: readonly Encrypted[];
  readonly keys: readonly DataKey[];
}

/** Told of how far an act has come. */
export type Progress = (what: string, done: number, all: number) => void;

export interface Stage {
  readonly keyproxy: KeyProxyClient;
  readonly tally: Tally;
  readonly progress: Progress;
}

const keyContext = { purpose: 'demo-keys' };

/** Act one: encrypts every record for both tenants and makes data keys of both sources. */
export async function encryptEverything(stage: Stage, records: readonly DemoRecord[]): Promise<Stored> {
  const { keyproxy, tally } = stage;
  const work = tenants.flatMap((tenant) => records.map((record) => ({ tenant, record })));
  const held = tally.promise('records encrypted, for two tenants', work.length);
  const encrypted = await each(stage, 'encrypting', work, async ({ tenant, record }) => {
    const { ciphertext } = await keyproxy.call('Encrypt', { ...bindings(tenant, record), plaintext: record.body });
    const readable = record.body.length >= tellingBytes && ciphertext.includes(record.body);
    held(readable ? `${record.id} of ${tenant} is readable in its ciphertext` : undefined);
    return { tenant, record, ciphertext };
  });

  const wishes = tenants.flatMap((tenant) =>
    sources.flatMap((source) => Array.from({ length: keysOfEach }, () => ({ tenant, source }))),
  );
  const keys = await each(stage, 'making data keys', wishes, async ({ tenant, source }) => {
    const request = { tenant_id: tenant, encryption_context: keyContext, source };
    const { plaintext, wrapped_dek: wrapped } = await keyproxy.call('GenerateDEK', request);
    return { tenant, source, plaintext, wrapped };
  });
  const made = tally.promise('data keys made, each another: derived, and from the key', wishes.length);
  for (const [index, { plaintext }] of keys.entries()) {
    const isNew = keys.findIndex((key) => key.plaintext.equals(plaintext)) === index;
    made(isNew && plaintext.length === 32 ? undefined : 'a data key came twice, or has another length');
  }
  return { encrypted, keys };
}

/** Act two: opens everything again, brings some of it under fresh keys, and asks for what must be refused. */
export async function openEverything(stage: Stage, { encrypted, keys }: Stored): Promise<void> {
  const { keyproxy, tally } = stage;
  const opened = tally.promise('records decrypted after the restart, the same bytes', encrypted.length);
  await each(stage, 'decrypting', encrypted, async ({ tenant, record, ciphertext }) => {
    const { plaintext } = await keyproxy.call('Decrypt', { ...bindings(tenant, record), ciphertext });
    opened(plaintext.equals(record.body) ? undefined : `${record.id} of ${tenant} came back as something else`);
  });
  const unwrapped = tally.promise('data keys unwrapped after the restart, the same keys', keys.length);
  await each(stage, 'unwrapping', keys, async ({ tenant, source, plaintext, wrapped }) => {
    const again = await keyproxy.call('Unwrap', unwrapping(tenant, wrapped));
    unwrapped(again.plaintext.equals(plaintext) ? undefined : `a key of ${tenant} (${source}) came back as another`);
  });
  await rewrapOne(stage, first(encrypted), first(keys));
  await beRefused(stage, { encrypted, keys });
}

async function rewrapOne({ keyproxy, tally }: Stage, message: Encrypted, key: DataKey): Promise<void> {
  const rewrapped = tally.promise('rewrapped and opened again, a record and a data key', 2);
  const { tenant, record } = message;
  const { ciphertext } = await keyproxy.call('Rewrap', { ...bindings(tenant, record), ciphertext: message.ciphertext });
  const { plaintext } = await keyproxy.call('Decrypt', { ...bindings(tenant, record), ciphertext });
  const isFresh = !ciphertext.equals(message.ciphertext) && plaintext.equals(record.body);
  rewrapped(isFresh ? undefined : `${record.id} of ${tenant} did not come back, or under the old ciphertext`);

  const { wrapped_dek } = await keyproxy.call('Rewrap', unwrapping(key.tenant, key.wrapped));
  const again = await keyproxy.call('Unwrap', unwrapping(key.tenant, wrapped_dek));
  const isSame = !wrapped_dek.equals(key.wrapped) && again.plaintext.equals(key.plaintext);
  rewrapped(isSame ? undefined : `a data key of ${key.tenant} did not come back, or in its old wrapping`);
}

async function beRefused(stage: Stage, { encrypted, keys }: Stored): Promise<void> {
  const { keyproxy, tally } = stage;
  const records = tally.promise('records of one tenant refused to the other', encrypted.length);
  await each(stage, 'asking as the other tenant', encrypted, async ({ tenant, record, ciphertext }) => {
    const request = { ...bindings(other(tenant), record), ciphertext };
    records(await whyNotRefused(keyproxy.call('Decrypt', request)));
  });
  const dataKeys = tally.promise('data keys of one tenant refused to the other', keys.length);
  await each(stage, 'asking as the other tenant', keys, async ({ tenant, wrapped }) => {
    dataKeys(await whyNotRefused(keyproxy.call('Unwrap', unwrapping(other(tenant), wrapped))));
  });
  const rows = tally.promise('records refused under the id of another record', encrypted.length);
  await each(stage, 'asking with another id', encrypted, async ({ tenant, record, ciphertext }) => {
    const request = { ...bindings(tenant, { ...record, id: `${record.id}-moved` }), ciphertext };
    rows(await whyNotRefused(keyproxy.call('Decrypt', request)));
  });
}

/** Undefined where the call is refused as it must be, with the one code and reason of failed decryption. */
async function whyNotRefused(call: Promise<unknown>): Promise<string | undefined> {
  const answer = await call.catch((error: unknown) => error);
  if (!(answer instanceof Refused)) return 'a call succeeded that must be refused';
  const { code, reason } = answer;
  return code === 'INVALID_ARGUMENT' && reason === 'DECRYPT_FAILED' ? undefined : `refused with ${code} ${reason}`;
}

function bindings(tenant: Tenant, { id, purpose }: DemoRecord) {
  return { tenant_id: tenant, encryption_context: { purpose }, associated_data: Buffer.from(id) };
}

function unwrapping(tenant: Tenant, wrapped_dek: Buffer) {
  return { tenant_id: tenant, encryption_context: keyContext, wrapped_dek };
}

function other(tenant: Tenant): Tenant {
  return tenant === 'demo' ? 'demo-2' : 'demo';
}

function first<T>([item]: readonly T[]): T {
  if (item === undefined) throw new Error('there is nothing to show it with');
  return item;
}

/** Does `work` for every item, a few at a time, and returns the results in order. */
async function each<T, R>(
  { progress }: Stage,
  what: string,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const waiting = items.entries();
  let done = 0;
  const worker = async () => {
    for (const [index, item] of waiting) {
      results[index] = await work(item);
      done += 1;
      progress(what, done, items.length);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return results;
}
