/**
 * The footer of a signed message (AWS Encryption SDK specification, data-format/message-footer.md).
 *
 *     footer = length:u16 ‖ ECDSA signature, DER, over header, header tag and body
 *
 * Its public key travels in the context, as base64 of a compressed point. It proves that header and body came from one
 * writer, who need not hold the data key's other readers' trust.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { ByteReader } from './byte-reader.ts';
import { failDecryption } from './failure.ts';
import { type MessageHeader, publicKeyPair } from './header.ts';
import type { SignatureScheme } from './suites.ts';

/**
 * Checks the footer that begins at `bodyEnd`, in suites that have one, and returns where the message ends. Throws
 * `DECRYPT_FAILED` where the public key is none, or the signature is not of these bytes.
 */
export function checkFooter(message: Buffer, header: MessageHeader, bodyEnd: number): number {
  const scheme = header.suite.signature;
  if (scheme === undefined) return bodyEnd;
  const reader = new ByteReader(message, bodyEnd);
  const signature = reader.bytes(reader.u16());
  const publicKey = publicKeyOf(header, scheme);
  if (publicKey === undefined) failDecryption('the public key of the message is malformed');
  if (!verify(scheme.hash, message.subarray(0, bodyEnd), { key: publicKey, dsaEncoding: 'der' }, signature)) {
    failDecryption('the signature of the message does not match');
  }
  return reader.offset;
}

function publicKeyOf(header: MessageHeader, scheme: SignatureScheme): KeyObject | undefined {
  const text = header.context.pairs.get(publicKeyPair) ?? '';
  const point = Buffer.from(text, 'base64');
  // Only the one canonical text of a point is read, so that no two contexts stand for the same key.
  if (point.length !== scheme.pointLength || point.toString('base64') !== text) return undefined;
  try {
    return createPublicKey({ key: Buffer.concat([scheme.keyPrefix, point]), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}
