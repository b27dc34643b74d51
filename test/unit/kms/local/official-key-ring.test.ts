/** The local key's entries against the AWS Encryption SDK's own raw AES key ring, in both directions. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AlgorithmSuiteIdentifier,
  NodeAlgorithmSuite,
  NodeDecryptionMaterial,
  NodeEncryptionMaterial,
  EncryptedDataKey as OfficialEntry,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
  unwrapDataKey,
} from '@aws-crypto/client-node';
import { describe, expect, it } from 'vitest';
import { EncryptionContext } from '../../../../src/base/encryption-context.ts';
import { createLocalKeyFile } from '../../../../src/kms/local/key-file.ts';
import { openLocalKey } from '../../../../src/kms/local/open.ts';
import { temporaryFolder } from '../../../support/daemon.ts';

const suite = new NodeAlgorithmSuite(AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY);
const signal = new AbortController().signal;

/** Names whose order by UTF-8 bytes differs from their order by UTF-16 and by language. */
const pairs = { tenant_id: 'demo', purpose: 'orders', Ä: '1', b: '2', ﬀ: '3', '😀': '4' };

async function bothSides(folder: string) {
  const keyFile = join(folder, 'key');
  await createLocalKeyFile(keyFile);
  const service = await openLocalKey({ provider: 'local', keyName: 'demo-key', keyFile });
  const official = new RawAesKeyringNode({
    keyNamespace: 'keyproxy-local',
    keyName: 'demo-key',
    unencryptedMasterKey: new Uint8Array(await readFile(keyFile)),
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
    utf8Sorting: true,
  });
  return { service, official };
}

describe('entries of a local key', () => {
  it('are opened by the official raw AES key ring, to the same data key', async () => {
    await using folder = await temporaryFolder();
    const { service, official } = await bothSides(folder.path);
    const context = EncryptionContext.of(Object.entries(pairs));
    const { plaintext, entry } = await service.generate({ length: 32, context, signal });
    const material = await official.onDecrypt(new NodeDecryptionMaterial(suite, { ...pairs }), [
      new OfficialEntry({
        providerId: entry.providerId.toString(),
        providerInfo: entry.providerInfo.toString('latin1'),
        rawInfo: entry.providerInfo,
        encryptedDataKey: entry.ciphertext,
      }),
    ]);
    expect(material.hasUnencryptedDataKey).toBe(true);
    expect(Buffer.from(unwrapDataKey(material.getUnencryptedDataKey()))).toEqual(plaintext.reveal());
  });

  it('of the official raw AES key ring are opened by the local key', async () => {
    await using folder = await temporaryFolder();
    const { service, official } = await bothSides(folder.path);
    const material = await official.onEncrypt(new NodeEncryptionMaterial(suite, { ...pairs }));
    const theirs = material.encryptedDataKeys[0];
    const entry = {
      providerId: Buffer.from(theirs?.providerId ?? ''),
      providerInfo: Buffer.from(theirs?.rawInfo ?? []),
      ciphertext: Buffer.from(theirs?.encryptedDataKey ?? []),
    };
    expect(service.owns(entry)).toBe(true);
    const context = EncryptionContext.of(Object.entries(pairs));
    using plaintext = await service.unwrap({ entry, context, signal });
    expect(plaintext.reveal()).toEqual(Buffer.from(unwrapDataKey(material.getUnencryptedDataKey())));
  });
});
