/** The official JavaScript SDK opens what keyproxy writes, and keyproxy opens what the SDK writes. */
import { describe, expect, it } from 'vitest';
import { EncryptionContext } from '../../../src/base/encryption-context.ts';
import { openMessage } from '../../../src/envelope/decrypt.ts';
import { encryptMessage } from '../../../src/envelope/encrypt.ts';
import { parseHeader } from '../../../src/envelope/header.ts';
import { unwrapRawAes } from '../../support/esdk-keyring.ts';
import { failureOf } from '../../support/failure-of.ts';
import {
  officialSuites,
  olderClient,
  rawAesEntry,
  rawAesKeyring,
  strictClient,
  UnwrappedKeyKeyring,
  wrappingKey,
} from '../../support/official-sdk.ts';
import {
  flaggedContext,
  nothing,
  sampleBytes,
  sampleContext,
  sampleDataKey,
  sampleEntry,
} from '../../support/sample-message.ts';

const kib64 = 64 * 1024;
const sizes = [0, 1, kib64 - 1, kib64, kib64 + 1, 1024 * 1024];
const rowId = Buffer.from('row-17');

function write(plaintext: Buffer, associatedData = nothing): Buffer {
  using dataKey = sampleDataKey();
  const context = associatedData.length > 0 ? flaggedContext : sampleContext;
  const own = rawAesEntry(dataKey.secret.reveal(), context);
  return encryptMessage({ dataKey, entries: [sampleEntry, own], context, plaintext, associatedData });
}

function open(message: Buffer): Buffer {
  const header = parseHeader(message, { maxEncryptedDataKeys: 16 });
  const [entry] = header.entries;
  const { key, name } = wrappingKey;
  const dataKey = entry && unwrapRawAes({ entry, key, name: Buffer.from(name), context: header.context });
  if (dataKey === undefined) throw new Error('the data key did not unwrap');
  using owned = dataKey;
  return openMessage({ message, header, dataKey: owned, associatedData: nothing });
}

const pairs = { purpose: 'orders', tenant_id: 'tenant_12345', '\u{1f511}': 'ä', '\uff5e': 'after the key by UTF-16' };

describe('the official SDK', () => {
  it.each(sizes)('opens %i bytes that keyproxy wrote', async (size) => {
    const plaintext = sampleBytes(size);
    const answer = await strictClient.decrypt(rawAesKeyring(), write(plaintext));
    expect(answer.plaintext.equals(plaintext)).toBe(true);
    expect(answer.messageHeader.encryptionContext).toEqual(Object.fromEntries(sampleContext.pairs));
  });

  it.each(sizes)('opens %i bytes with associated data, whose binding it ignores', async (size) => {
    const plaintext = sampleBytes(size);
    const answer = await strictClient.decrypt(rawAesKeyring(), write(plaintext, rowId));
    expect(answer.plaintext.equals(plaintext)).toBe(true);
    expect(answer.messageHeader.encryptionContext['keyproxy-ad']).toBe('1');
  });

  it('opens a message of any provider with a keyring that brings the unwrapped key', async () => {
    using dataKey = sampleDataKey();
    const entry = { ...sampleEntry, providerId: Buffer.from('vault-transit') };
    const request = { dataKey, entries: [entry], context: sampleContext, plaintext: rowId, associatedData: nothing };
    const keyring = new UnwrappedKeyKeyring(async ({ providerId }) =>
      providerId === 'vault-transit' ? Uint8Array.from(sampleBytes(32, 'data key')) : undefined,
    );
    const answer = await strictClient.decrypt(keyring, encryptMessage(request));
    expect(answer.plaintext).toEqual(rowId);
  });

  it('does not open what keyproxy wrote with one bit changed', async () => {
    const message = write(rowId);
    message.writeUInt8(message.readUInt8(message.length - 20) ^ 1, message.length - 20);
    await expect(strictClient.decrypt(rawAesKeyring(), message)).rejects.toThrow();
  });
});

describe('keyproxy', () => {
  const cases = [
    ...[1, 16, 1024].map((frameLength) => [0, frameLength] as const),
    ...[1, 16, 1024].map((frameLength) => [1, frameLength] as const),
    ...[1, 16, 1024].map((frameLength) => [1024, frameLength] as const),
    ...[4096, kib64, 1024 * 1024].flatMap((frameLength) => sizes.map((size) => [size, frameLength] as const)),
  ];

  it.each(cases)('opens %i bytes that the official SDK wrote in frames of %i', async (size, frameLength) => {
    const plaintext = sampleBytes(size);
    const { result } = await strictClient.encrypt(rawAesKeyring(), plaintext, {
      encryptionContext: pairs,
      frameLength,
      suiteId: officialSuites.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY,
    });
    expect(open(result).equals(plaintext)).toBe(true);
    const { context } = parseHeader(result, { maxEncryptedDataKeys: 16 });
    expect(context.equals(EncryptionContext.of(Object.entries(pairs)))).toBe(true);
  });

  const signed = [
    [strictClient, officialSuites.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY_ECDSA_P384],
    [olderClient, officialSuites.ALG_AES128_GCM_IV12_TAG16_HKDF_SHA256_ECDSA_P256],
    [olderClient, officialSuites.ALG_AES192_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384],
    [olderClient, officialSuites.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384],
  ] as const;

  it.each(signed)(
    'opens a signed message of the official SDK, and not with another signature',
    async (client, suiteId) => {
      const plaintext = sampleBytes(5000);
      const write = async () =>
        (await client.encrypt(rawAesKeyring(), plaintext, { encryptionContext: pairs, suiteId })).result;
      const [message, other] = [await write(), await write()];
      expect(open(message).equals(plaintext)).toBe(true);
      const changed = Buffer.from(message);
      changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1);
      const footer = (bytes: Buffer) =>
        parseHeader(bytes, { maxEncryptedDataKeys: 16 }).bodyOffset + (32 + 4096) + (40 + 904);
      expect(message.length).toBe(footer(message) + 2 + message.readUInt16BE(footer(message)));
      const exchanged = Buffer.concat([message.subarray(0, footer(message)), other.subarray(footer(other))]);
      for (const bad of [
        changed,
        exchanged,
        message.subarray(0, footer(message)),
        Buffer.concat([message, nothing, rowId]),
      ]) {
        expect(failureOf(() => open(bad)).reason).toBe('DECRYPT_FAILED');
      }
    },
  );
});
