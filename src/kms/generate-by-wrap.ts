/** For key services that make no data keys, or none that are bound to a context: made here, wrapped there. */
import { randomBytes } from 'node:crypto';
import { SecretBytes } from '../base/secret.ts';
import type { GeneratedKey, KeyService } from './key-service.ts';

/** `generate` of the port by its `wrap`. Throws what `wrap` throws; the bytes are wiped then. */
export async function generateByWrap(
  service: Pick<KeyService, 'wrap'>,
  request: Parameters<KeyService['generate']>[0],
): Promise<GeneratedKey> {
  const plaintext = SecretBytes.adopt(randomBytes(request.length));
  try {
    return { plaintext, entry: await service.wrap({ ...request, plaintext }) };
  } catch (error) {
    plaintext[Symbol.dispose]();
    throw error;
  }
}
