/** The simulated engine's ciphertexts opened by node:crypto alone, after the layouts that the server's source has. */
import { constants, createDecipheriv, hkdfSync, publicEncrypt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { base64, call, tokenFor } from '../../simulators/vault/clients.ts';
import { KeyPairSource } from '../../simulators/vault/key-pairs.ts';
import { startVaultSimulator } from '../../simulators/vault/server.ts';
import { decryptItem, encryptItem } from '../../simulators/vault/transit-cipher.ts';
import { newKey, type TransitKey } from '../../simulators/vault/transit-key.ts';

const making = { pairs: new KeyPairSource(), now: () => 0 };

function secretOf({ versions }: TransitKey): Buffer {
  const [material] = versions;
  if (material?.kind !== 'symmetric') throw new Error('the key is no secret');
  return material.secret;
}

/** nonce[12] ‖ ciphertext ‖ tag[16], behind the prefix. */
function parts(ciphertext: string): { nonce: Buffer; body: Buffer; tag: Buffer } {
  const bytes = Buffer.from(ciphertext.replace(/^vault:v1:/, ''), 'base64');
  return { nonce: bytes.subarray(0, 12), body: bytes.subarray(12, -16), tag: bytes.subarray(-16) };
}

function openGcm(ciphertext: string, secret: Uint8Array, aad?: string): string {
  const { nonce, body, tag } = parts(ciphertext);
  const decipher = createDecipheriv('aes-256-gcm', secret, nonce).setAuthTag(tag);
  if (aad !== undefined) decipher.setAAD(Buffer.from(aad));
  return decipher.update(body, undefined, 'utf8') + decipher.final('utf8');
}

describe('a ciphertext', () => {
  it('of AES-256 is AES-GCM under the key itself', async () => {
    const key = newKey({ name: 'k', type: 'aes256-gcm96', derived: false }, making);
    const item = { context: Buffer.alloc(0), associatedData: '', version: 0 };
    expect(openGcm(await encryptItem(key, base64('hello'), item), secretOf(key))).toBe('hello');
  });

  it('with associated data is bound to the bytes behind the base64', async () => {
    const key = newKey({ name: 'k', type: 'aes256-gcm96', derived: false }, making);
    const item = { context: Buffer.alloc(0), associatedData: base64('aad'), version: 0 };
    const ciphertext = await encryptItem(key, base64('hello'), item);
    expect(openGcm(ciphertext, secretOf(key), 'aad')).toBe('hello');
    expect(() => openGcm(ciphertext, secretOf(key))).toThrow();
  });

  it('of a derived key is AES-GCM under HKDF-SHA256 of the key, with the context as its info', async () => {
    const key = newKey({ name: 'k', type: 'aes256-gcm96', derived: true }, making);
    const item = { context: Buffer.from('tenant'), associatedData: '', version: 0 };
    const derived = hkdfSync('sha256', secretOf(key), Buffer.alloc(0), 'tenant', 32);
    expect(openGcm(await encryptItem(key, base64('hello'), item), new Uint8Array(derived))).toBe('hello');
  });

  it('of RSA may come from anybody with the public key, by OAEP with SHA-256', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    const { name } = vault.createKey({ type: 'rsa-2048' });
    const { data } = await call(vault, `transit/keys/${name}`, { token });
    const versions = data['keys'] as Record<string, { public_key: string }>;
    const pem = versions['1']?.public_key ?? '';
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const bytes = publicEncrypt({ key: pem, padding, oaepHash: 'sha256' }, Buffer.from('hello'));
    const ciphertext = `vault:v1:${bytes.toString('base64')}`;
    const opened = await call(vault, `transit/decrypt/${name}`, { token, body: { ciphertext } });
    expect(opened.data).toEqual({ plaintext: base64('hello') });
  });

  it('of an empty text holds nonce and tag alone, and opens', async () => {
    const key = newKey({ name: 'k', type: 'chacha20-poly1305', derived: false }, making);
    const item = { context: Buffer.alloc(0), associatedData: '' };
    const ciphertext = await encryptItem(key, '', { ...item, version: 0 });
    expect(parts(ciphertext).body).toHaveLength(0);
    expect(await decryptItem(key, ciphertext, item)).toBe('');
  });
});
