/** `v2.KeyManagementService`: what kube-apiserver asks of a KMS plugin, from the messages on the wire and back. */
import type { Caller } from '../base/caller.ts';
import * as messages from './kms-plugin-messages.ts';
import type { UnaryMethod } from './method.ts';
import type { MessageOf } from './protobuf/message.ts';
import type { Reply } from './reply.ts';

/** The service's full name, as Kubernetes has it. */
export const kmsPluginService = 'v2.KeyManagementService';

/** The version of the API that `Status` names. */
const apiVersion = 'v2';

type EncryptRequest = MessageOf<typeof messages.encryptRequest.shape>;
type EncryptResponse = MessageOf<typeof messages.encryptResponse.shape>;
type DecryptRequest = MessageOf<typeof messages.decryptRequest.shape>;

/** What stands behind the service. Everything rejects with a `KeyproxyError`, or with the signal's reason. */
export interface KmsPlugin {
  /** `healthz` is `ok`, or a sentence that may be shown to anybody. Rejects where no key has been seen yet. */
  status(signal: AbortSignal): Promise<{ readonly healthz: string; readonly keyId: string }>;
  /** The plaintext is wiped once this has ended. */
  encrypt(caller: Caller, request: EncryptRequest, signal: AbortSignal): Promise<EncryptResponse>;
  /** The plaintext is the caller's to wipe. */
  decrypt(caller: Caller, request: DecryptRequest, signal: AbortSignal): Promise<Buffer>;
}

/** The methods of the service. */
export function kmsPluginMethods(plugin: KmsPlugin): UnaryMethod[] {
  const method = (name: string, handle: (caller: Caller, bytes: Buffer, signal: AbortSignal) => Promise<Reply>) =>
    ({ kind: 'unary', service: kmsPluginService, name, exempt: false, handle }) as const;
  return [
    method('Status', async (_caller, bytes, signal) => {
      messages.statusRequest.decode(bytes);
      return messages.statusResponse.reply({ version: apiVersion, ...(await plugin.status(signal)) });
    }),
    method('Encrypt', async (caller, bytes, signal) => {
      const request = messages.encryptRequest.decode(bytes);
      try {
        return messages.encryptResponse.reply(await plugin.encrypt(caller, request, signal));
      } finally {
        // A seed of kube-apiserver, in bytes that the transport has made for this call alone.
        request.plaintext.fill(0);
      }
    }),
    method('Decrypt', async (caller, bytes, signal) => {
      const plaintext = await plugin.decrypt(caller, messages.decryptRequest.decode(bytes), signal);
      return messages.decryptResponse.reply({ plaintext }, { [Symbol.dispose]: () => plaintext.fill(0) });
    }),
  ];
}
