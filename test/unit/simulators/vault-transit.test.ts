/** The transit engine of the simulator over raw HTTP: ciphertexts, versions, contexts and what it refuses, in whose words. */
import { describe, expect, it } from 'vitest';
import { base64, call, tokenFor } from '../../simulators/vault/clients.ts';
import { startVaultSimulator } from '../../simulators/vault/server.ts';

describe('encrypt and decrypt', () => {
  it('are each other’s inverse for every type that encrypts, and two ciphertexts of one text differ', async () => {
    await using vault = await startVaultSimulator();
    const token = await tokenFor(vault);
    for (const type of ['aes128-gcm96', 'aes256-gcm96', 'chacha20-poly1305', 'rsa-2048'] as const) {
      const { name } = vault.createKey({ type });
      const encrypted = await Promise.all(
        [0, 1].map(() => call(vault, `transit/encrypt/${name}`, { token, body: { plaintext: base64('secret') } })),
      );
      expect(encrypted.map(({ status, data }) => [status, data['key_version']])).toEqual([
        [200, 1],
        [200, 1],
      ]);
      const [one, other] = encrypted.map(({ data }) => data['ciphertext']);
      expect(one).not.toBe(other);
      expect(one).toMatch(/^vault:v1:[A-Za-z0-9+/]+={0,2}$/);
      for (const ciphertext of [one, other]) {
        const { status, data } = await call(vault, `transit/decrypt/${name}`, { token, body: { ciphertext } });
        expect([status, data]).toEqual([200, { plaintext: base64('secret') }]);
      }
    }
  });
});
