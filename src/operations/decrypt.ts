/** Decrypt: one message of the tenant's, with the context that it was written under. */
import type { KeyInfo } from '../kms/key-service.ts';
import { type Pairs, visiblePairs } from './context.ts';
import { failedDecryption } from './decryption.ts';
import { verb } from './door.ts';
import type { Engine, Operation } from './engine.ts';
import { openCiphertext } from './open-message.ts';

export interface DecryptRequest {
  readonly tenantId: string;
  readonly ciphertext: Buffer;
  /** Empty: taken from the message. */
  readonly encryptionContext: Pairs;
  readonly associatedData: Buffer;
}

export interface DecryptAnswer {
  readonly plaintext: Buffer;
  readonly encryptionContext: Map<string, string>;
  readonly key: KeyInfo;
  readonly needsRewrap: boolean;
}

/** Makes the verb. */
export function decrypt(engine: Engine): Operation<DecryptRequest, DecryptAnswer> {
  return verb(engine, 'decrypt', {
    async run({ tenant, request, signal, record }) {
      const { ciphertext, encryptionContext: pairs, associatedData } = request;
      try {
        const opened = await openCiphertext(engine, {
          ...{ tenant, ciphertext, pairs, associatedData, signal, record },
          operation: 'decrypt',
        });
        engine.observer.decryptionEnded(tenant.id);
        return {
          plaintext: opened.plaintext,
          encryptionContext: visiblePairs(opened.context),
          key: opened.key.info,
          needsRewrap: !opened.isCurrent,
        };
      } catch (error) {
        throw failedDecryption(engine, tenant, error);
      }
    },
    drop: ({ plaintext }) => plaintext.fill(0),
  });
}
