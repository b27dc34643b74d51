/** The messages of `proto/k8s.io/kms/apis/v2/api.proto`, the contract between kube-apiserver and a KMS plugin. */
import { bytes, bytesMap, string } from './protobuf/fields.ts';
import { Message } from './protobuf/message.ts';

export const statusRequest = new Message({});

export const statusResponse = new Message({ version: string(1), healthz: string(2), keyId: string(3) });

export const decryptRequest = new Message({
  ciphertext: bytes(1),
  uid: string(2),
  keyId: string(3),
  annotations: bytesMap(4),
});

export const decryptResponse = new Message({ plaintext: bytes(1) });

export const encryptRequest = new Message({ plaintext: bytes(1), uid: string(2) });

export const encryptResponse = new Message({ ciphertext: bytes(1), keyId: string(2), annotations: bytesMap(3) });
