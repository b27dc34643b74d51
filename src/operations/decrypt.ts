/** Decrypt: one message of the tenant's, with the context that it was written under. */
import type { KeyInfo } from '../kms/key-service.ts';
import { type Pairs, visiblePairs } from './context.ts';
import { failedDecryption } from './decryption.ts';
import { type Engine, type Operation, tenantFor } from './engine.ts';
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
  return async (caller, request, signal) => {
    const tenant = tenantFor(engine, caller, request.tenantId);
    const { ciphertext, encryptionContext: pairs, associatedData } = request;
    try {
      const opened = await openCiphertext(engine, {
        ...{ tenant, ciphertext, pairs, associatedData, signal },
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
  };
}
