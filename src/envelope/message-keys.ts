/**
 * The keys of one message: the content key, and for committing suites the commitment to it
 * (AWS Encryption SDK specification, framework/algorithm-suites.md, "Encryption Key Derivation Algorithm").
 *
 *     committing   PRK = HKDF-Extract-SHA512(salt = message id, data key)
 *                  content key = Expand(PRK, suite:u16 ‖ "DERIVEKEY"), commitment = Expand(PRK, "COMMITKEY")
 *     hkdf         content key = HKDF(salt = hash-length zeros, data key, info = suite:u16 ‖ message id)
 *     none         content key = data key
 */
import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import type { DataKey } from './data-key.ts';
import { expand, extract } from './hkdf.ts';
import type { Suite } from './suites.ts';

/** Length in bytes of the commitment in a header. */
export const commitmentLength = 32;

const commitLabel = Buffer.from('COMMITKEY');
const deriveLabel = Buffer.from('DERIVEKEY');

/** What one message is encrypted with. */
export interface MessageKeys {
  readonly contentKey: KeyObject;
  /** 32 bytes for the header; absent where the suite does not commit. */
  readonly commitment?: Buffer;
}

/** Derives the keys of the message with this id. The data key must have the suite's length. */
export function deriveMessageKeys(dataKey: DataKey, suite: Suite, messageId: Uint8Array): MessageKeys {
  const secret = dataKey.secret.reveal();
  switch (suite.derivation.kind) {
    case 'none':
      return { contentKey: createSecretKey(secret) };
    case 'hkdf': {
      const info = Buffer.concat([suiteBytes(suite), messageId]);
      const bytes = hkdfSync(suite.derivation.hash, createSecretKey(secret), '', info, suite.keyLength);
      return { contentKey: intoKeyObject(Buffer.from(bytes)) };
    }
    case 'committing': {
      const extracted = extract(messageId, secret);
      const commitment = expand(extracted, [commitLabel], commitmentLength);
      const contentKey = intoKeyObject(expand(extracted, [suiteBytes(suite), deriveLabel], suite.keyLength));
      extracted.fill(0);
      return { contentKey, commitment };
    }
  }
}

function suiteBytes(suite: Suite): Uint8Array {
  return Uint8Array.of(suite.id >> 8, suite.id & 0xff);
}

function intoKeyObject(bytes: Buffer): KeyObject {
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return key;
}
