import { createDecipheriv } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EncryptionContext } from '../../../../src/base/encryption-context.ts';
import { SecretBytes } from '../../../../src/base/secret.ts';
import { createLocalKeyFile } from '../../../../src/kms/local/key-file.ts';
import { openLocalKey } from '../../../../src/kms/local/open.ts';
import { temporaryFolder } from '../../../support/daemon.ts';

const signal = new AbortController().signal;
const context = EncryptionContext.of([['tenant_id', 'demo']]);

async function openedIn(folder: string, keyName = 'demo-key') {
  const keyFile = join(folder, keyName);
  await createLocalKeyFile(keyFile);
  return { keyFile, service: await openLocalKey({ provider: 'local', keyName, keyFile }) };
}

describe('openLocalKey', () => {
  it('wraps in the layout of a raw AES key ring, byte for byte', async () => {
    await using folder = await temporaryFolder();
    const { service, keyFile } = await openedIn(folder.path);
    using plaintext = SecretBytes.adopt(Buffer.alloc(32, 9));
    const entry = await service.wrap({ plaintext, context, signal });
    expect(entry.providerId.toString()).toBe('keyproxy-local');
    expect(entry.providerInfo.subarray(0, -12).toString('hex')).toBe(
      `${Buffer.from('demo-key').toString('hex')}000000800000000c`,
    );
    expect(entry.ciphertext).toHaveLength(32 + 16);
    const decipher = createDecipheriv('aes-256-gcm', await readFile(keyFile), entry.providerInfo.subarray(-12));
    decipher.setAAD(context.serialized);
    decipher.setAuthTag(entry.ciphertext.subarray(32));
    expect(Buffer.concat([decipher.update(entry.ciphertext.subarray(0, 32)), decipher.final()])).toEqual(
      plaintext.reveal(),
    );
  });

  it('owns no entry of a key whose name begins or ends like its own', async () => {
    await using folder = await temporaryFolder();
    const { service } = await openedIn(folder.path, 'key');
    for (const name of ['key2', 'ke', 'akey']) {
      const other = await openedIn(folder.path, name);
      const { entry } = await other.service.generate({ length: 32, context, signal });
      expect(service.owns(entry)).toBe(false);
    }
  });

  it('tells no version of its key', async () => {
    await using folder = await temporaryFolder();
    const { service } = await openedIn(folder.path);
    const { entry } = await service.generate({ length: 32, context, signal });
    expect(service.describe(entry)).toEqual({ provider: 'local', keyId: 'demo-key', keyVersion: '' });
  });

  it('answers no call once it has been disposed of', async () => {
    await using folder = await temporaryFolder();
    const { service } = await openedIn(folder.path);
    await service[Symbol.asyncDispose]();
    await expect(service.generate({ length: 32, context, signal })).rejects.toMatchObject({
      fault: { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' },
    });
  });
});
