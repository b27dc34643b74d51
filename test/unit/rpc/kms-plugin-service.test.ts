/** `v2.KeyManagementService` between bytes and what stands behind it. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { KeyproxyError } from '../../../src/base/errors.ts';
import * as messages from '../../../src/rpc/kms-plugin-messages.ts';
import { type KmsPlugin, kmsPluginMethods } from '../../../src/rpc/kms-plugin-service.ts';

const never = () => Promise.reject(new Error('nobody asks for this'));
const answer = { ciphertext: Buffer.from('c'), keyId: 'k', annotations: new Map() };
const ends: [string, () => Promise<typeof answer>][] = [
  ['given', async () => answer],
  ['refused', () => Promise.reject(new KeyproxyError('KEY_DISABLED'))],
];

test.each(ends)(
  'the seed of an encryption that is %s is gone from the request, and was there before',
  async (_how, end) => {
    const seed = randomBytes(32);
    let seen = Buffer.alloc(0);
    const plugin: KmsPlugin = {
      ...{ status: never, decrypt: never },
      encrypt(_caller, { plaintext }) {
        seen = Buffer.from(plaintext);
        return end();
      },
    };
    const method = kmsPluginMethods(plugin).find(({ name }) => name === 'Encrypt');
    const request = messages.encryptRequest.encode({ plaintext: seed, uid: 'u' });
    await method?.handle({ kind: 'socket' }, request, new AbortController().signal).catch(() => {});
    expect(seen).toEqual(seed);
    expect(request.includes(seed)).toBe(false);
  },
);
