/**
 * The clients that Google and Microsoft wrote in Python, at our simulators, beside keyproxy: each opens what the other
 * wrapped. That is no server of others', and none of Cloud KMS or Key Vault can be installed by name; but it shows that
 * customers can open with their provider's own tools what keyproxy wrapped, and that the simulators, on which the
 * contract of the two providers runs, speak what clients of others understand, tokens included.
 */

import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { AzureWorld } from '../contract/azure-world.ts';
import { context, never } from '../contract/calls.ts';
import { GcpWorld } from '../contract/gcp-world.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { folderOf } from './ready.ts';
import { run } from './run.ts';

const folder = folderOf('cloudclients');
/** What the other client wraps: a data key of the length that keyproxy itself makes. */
const own = Buffer.alloc(32, 0x5a);

interface Answer {
  /** What it made of keyproxy's ciphertext, in base64. */
  readonly opened: string;
  /** `own`, wrapped, in base64. */
  readonly wrapped: string;
  /** How it was told that something else than the ciphertext, or its context, does not open. */
  readonly refused: string | number | null;
}

async function ask(script: string, question: object): Promise<Answer> {
  const file = resolve(import.meta.dirname, 'python', script);
  const input = JSON.stringify({ plaintext: own.toString('base64'), ...question });
  const { code, stdout, stderr } = await run(join(folder ?? '', 'bin/python'), [file], { input });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** Has the client open what keyproxy wraps now, and keyproxy what the client wrapped. */
async function exchange(
  service: KeyService,
  client: (entry: EncryptedDataKey) => Promise<Answer>,
): Promise<Answer['refused']> {
  const { plaintext, entry } = await service.generate({ length: 32, context, signal: never });
  const { opened, wrapped, refused } = await client(entry);
  expect(opened).toBe(plaintext.reveal().toString('base64'));
  const foreign = { ...entry, ciphertext: Buffer.from(wrapped, 'base64') };
  using unwrapped = await service.unwrap({ entry: foreign, context, signal: never });
  expect(unwrapped.reveal()).toEqual(own);
  return refused;
}

describe.skipIf(folder === undefined)('Google’s client of Cloud KMS', () => {
  let world: GcpWorld;
  beforeAll(async () => {
    world = await GcpWorld.start();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  it.each(['SYMMETRIC', 'HSM_SYMMETRIC', 'RSA_2048', 'RSA_4096'])(
    'and keyproxy open each other’s, %s',
    async (kind) => {
      await using key = await world.openKey({ kind });
      const refused = await exchange(key.service, (entry) =>
        ask('gcp_client.py', {
          endpoint: world.gcp.endpoint,
          token_uri: `${world.gcp.authorities.gcpOauth2}/token`,
          account: world.account.keyFile(),
          key: key.owned.name,
          version: kind.startsWith('RSA_') ? entry.providerInfo.toString('utf8') : null,
          aad: context.serialized.toString('base64'),
          ciphertext: entry.ciphertext.toString('base64'),
        }),
      );
      expect(refused).toBe('INVALID_ARGUMENT');
    },
  );
});

describe.skipIf(folder === undefined)('Microsoft’s client of Key Vault', () => {
  let world: AzureWorld;
  beforeAll(async () => {
    world = await AzureWorld.start();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const kinds = [
    ['RSA_2048', 'RSA-OAEP-256'],
    ['RSA_4096', 'RSA-OAEP-256'],
    ['RSA_HSM_2048', 'RSA-OAEP-256'],
    ['OCT_HSM', 'A256KW'],
  ] as const;

  it.each(kinds)('and keyproxy open each other’s, %s by %s', async (kind, algorithm) => {
    await using place = await temporaryFolder();
    const ca = join(place.path, 'ca.pem');
    await writeFile(ca, world.azure.ca);
    await using key = await world.openKey({ kind });
    const { objectId, tenant, clientId: client, secret } = world.azure.createApplication();
    // It may not `get`: shown a key of an HSM, this client makes up the material that it was not shown, and wraps by it.
    world.azure.grant(objectId, key.owned.name, ['wrapKey', 'unwrapKey']);
    const refused = await exchange(key.service, (entry) =>
      ask('azure_client.py', {
        authority: world.azure.authorityHost,
        ca,
        tenant,
        client,
        secret,
        key: entry.providerInfo.toString('utf8'),
        algorithm,
        ciphertext: entry.ciphertext.toString('base64'),
      }),
    );
    expect(refused).toBe(400);
  });
});
