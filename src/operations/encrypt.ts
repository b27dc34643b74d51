/** Encrypt: one message under the tenant's active root key, as a message of the AWS Encryption SDK's format. */
import { encryptMessage } from '../envelope/encrypt.ts';
import type { KeyInfo } from '../kms/key-service.ts';
import { contextFor, type Pairs } from './context.ts';
import { verb } from './door.ts';
import type { Engine, Operation } from './engine.ts';

export interface EncryptRequest {
  readonly tenantId: string;
  readonly plaintext: Buffer;
  readonly encryptionContext: Pairs;
  readonly associatedData: Buffer;
}

export interface EncryptAnswer {
  readonly ciphertext: Buffer;
  readonly key: KeyInfo;
}

/** Makes the verb. It calls the key service only where the tenant has no active root key for this context. */
export function encrypt(engine: Engine): Operation<EncryptRequest, EncryptAnswer> {
  return verb(engine, 'encrypt', {
    async run({ tenant, request, signal, record }) {
      const { plaintext, associatedData } = request;
      const context = contextFor(tenant.id, request.encryptionContext, associatedData.length > 0);
      using root = await engine.keys.root({ tenant, context, operation: 'encrypt', signal, record });
      const { dataKey, entries, info } = root.key;
      const ciphertext = encryptMessage({ dataKey, entries, context, plaintext, associatedData });
      record.standsOn(root);
      return { ciphertext, key: info };
    },
    drop() {},
  });
}
