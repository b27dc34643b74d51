/**
 * Makes a message authentic, whatever it holds, and opens one, in the plainest way. A mutant with true tags gets past all
 * of the cryptography, so that what is left to refuse it is the reader's own care.
 */
import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHmac,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { sampleBytes } from '../../support/sample-message.ts';
import type { Layout, Piece, PlainSuite } from './layout.ts';

const curves = {
  'P-256': { ecdh: 'prime256v1', hash: 'sha256', length: 32 },
  'P-384': { ecdh: 'secp384r1', hash: 'sha384', length: 48 },
} as const;
type Curve = keyof typeof curves;

/** The data key that fits a suite. */
export function keyBytes(length: number): Buffer {
  return sampleBytes(length, 'data key');
}

interface Writer {
  readonly key: KeyObject;
  /** As it stands in a context. */
  readonly point: string;
}

const writers: Readonly<Record<Curve, Writer>> = { 'P-256': writerOf('P-256'), 'P-384': writerOf('P-384') };

function writerOf(curve: Curve): Writer {
  const { ecdh, length } = curves[curve];
  const pair = createECDH(ecdh);
  const d = sampleBytes(length, 'writer');
  d[0] = 1;
  pair.setPrivateKey(d);
  const point = pair.getPublicKey();
  const [x, y] = [point.subarray(1, 1 + length), point.subarray(1 + length)];
  const jwk = {
    kty: 'EC',
    crv: curve,
    d: d.toString('base64url'),
    x: x.toString('base64url'),
    y: y.toString('base64url'),
  };
  return { key: createPrivateKey({ key: jwk, format: 'jwk' }), point: pair.getPublicKey('base64', 'compressed') };
}

/** The public key of the one writer of messages that are signed. */
export function pointOf(curve: Curve): string {
  return writers[curve].point;
}

interface Keys {
  readonly content: Buffer;
  readonly commitment?: Buffer;
}

function keysOf(bytes: Buffer, { suite, suiteId, idAt }: Layout): Keys {
  const id = bytes.subarray(idAt, idAt + (suite.version === 1 ? 16 : 32));
  const number = Buffer.of(suiteId >> 8, suiteId & 0xff);
  const key = keyBytes(suite.keyLength);
  const derived = (hash: string, salt: Buffer | string, info: Buffer, length: number) =>
    Buffer.from(hkdfSync(hash, key, salt, info, length));
  switch (suite.kdf) {
    case 'none':
      return { content: key };
    case 'committing':
      return {
        content: derived('sha512', id, Buffer.concat([number, Buffer.from('DERIVEKEY')]), 32),
        commitment: derived('sha512', id, Buffer.from('COMMITKEY'), 32),
      };
    default:
      return { content: derived(suite.kdf, '', Buffer.concat([number, id]), suite.keyLength) };
  }
}

/** The tag in a message's id that binds associated data to it. */
function adTag(id: Buffer, ad: Buffer): Buffer {
  const key = Buffer.from(hkdfSync('sha512', keyBytes(32), '', 'keyproxy/v1/associated-data', 32));
  return createHmac('sha256', key).update(id.subarray(0, 16)).update(ad).digest().subarray(0, 16);
}

function cipherName({ keyLength }: PlainSuite) {
  return `aes-${keyLength * 8}-gcm` as 'aes-256-gcm';
}

function aadOf(bytes: Buffer, { idAt, suite }: Layout, { kind, sequence, length }: Piece): Buffer {
  const label = { regular: 'Frame', final: 'Final Frame', single: 'Single Block' }[kind];
  const numbers = Buffer.alloc(12);
  numbers.writeUInt32BE(sequence, 0);
  numbers.writeBigUInt64BE(BigInt(length), 4);
  const id = bytes.subarray(idAt, idAt + (suite.version === 1 ? 16 : 32));
  return Buffer.concat([id, Buffer.from(`AWSKMSEncryptionClient ${label}`), numbers]);
}

/** What is wrong with a message whose tags are all true. */
export interface Flaws {
  /** It commits to another key. */
  readonly commitment: boolean;
  /** Its signature is left as it stands. */
  readonly signature: boolean;
}

/** Sets commitment, tags and signature of `bytes`, and returns the message: a signature may have another length. */
export function sealed(bytes: Buffer, layout: Layout, { ad, flaws }: { ad: Buffer; flaws: Flaws }): Buffer {
  const { suite, idAt, authenticatedEnd, tagAt, pairs, pieces, bodyEnd } = layout;
  if (suite.version === 2 && pairs.some(([name]) => name === 'keyproxy-ad')) {
    adTag(bytes.subarray(idAt, idAt + 32), ad).copy(bytes, idAt + 16);
  }
  const { content, commitment } = keysOf(bytes, layout);
  commitment?.copy(bytes, authenticatedEnd - 32);
  if (commitment !== undefined && flaws.commitment)
    bytes[authenticatedEnd - 1] = (bytes[authenticatedEnd - 1] ?? 0) ^ 1;
  const seal = (iv: Buffer, aad: Buffer, plain: Buffer) => {
    const cipher = createCipheriv(cipherName(suite), content, iv);
    cipher.setAAD(aad);
    return { sealed: Buffer.concat([cipher.update(plain), cipher.final()]), tag: cipher.getAuthTag() };
  };
  const iv = suite.version === 1 ? bytes.subarray(authenticatedEnd, tagAt) : Buffer.alloc(12);
  seal(iv, bytes.subarray(0, authenticatedEnd), Buffer.alloc(0)).tag.copy(bytes, tagAt);
  for (const piece of pieces) {
    const end = piece.contentAt + piece.length;
    // What stands there is taken for the plaintext: any bytes are.
    const plain = Buffer.from(bytes.subarray(piece.contentAt, end));
    const made = seal(bytes.subarray(piece.ivAt, piece.ivAt + 12), aadOf(bytes, layout, piece), plain);
    made.sealed.copy(bytes, piece.contentAt);
    made.tag.copy(bytes, end);
  }
  if (suite.curve === undefined || bodyEnd === undefined || flaws.signature) return bytes;
  const body = bytes.subarray(0, bodyEnd);
  const signature = sign(curves[suite.curve].hash, body, writers[suite.curve].key);
  // What follows the footer stays where it is.
  const rest = bytes.subarray(bodyEnd + 2 + (bodyEnd + 2 <= bytes.length ? bytes.readUInt16BE(bodyEnd) : 0));
  return Buffer.concat([body, Buffer.of(signature.length >> 8, signature.length & 0xff), signature, rest]);
}

/** The plaintext of a message; undefined where it does not open. */
export function opened(bytes: Buffer, layout: Layout, ad: Buffer): Buffer | undefined {
  const { suite, idAt, authenticatedEnd, tagAt, pairs, pieces, bodyEnd } = layout;
  const isSound = pieces.length <= 4096 && pieces.every(({ isDue }) => isDue);
  if (bodyEnd === undefined || !isSound) return undefined;
  const { content, commitment } = keysOf(bytes, layout);
  if (commitment?.equals(bytes.subarray(authenticatedEnd - 32, authenticatedEnd)) === false) return undefined;
  const open = (iv: Buffer, aad: Buffer, at: { start: number; end: number }) => {
    const decipher = createDecipheriv(cipherName(suite), content, iv);
    decipher.setAAD(aad);
    decipher.setAuthTag(bytes.subarray(at.end, at.end + 16));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(at.start, at.end)), decipher.final()]);
    } catch {
      return undefined;
    }
  };
  const iv = suite.version === 1 ? bytes.subarray(authenticatedEnd, tagAt) : Buffer.alloc(12);
  if (open(iv, bytes.subarray(0, authenticatedEnd), { start: tagAt, end: tagAt }) === undefined) return undefined;
  const flag = pairs.find(([name]) => name === 'keyproxy-ad')?.[1];
  if ((flag !== undefined) !== ad.length > 0) return undefined;
  if (flag !== undefined) {
    const id = bytes.subarray(idAt, idAt + 32);
    if (flag !== '1' || layout.suiteId !== 0x0478 || !adTag(id, ad).equals(id.subarray(16))) return undefined;
  }
  const end = footerEnd(bytes, layout, bodyEnd);
  if (end !== bytes.length) return undefined;
  const parts = pieces.map((piece) => {
    const at = { start: piece.contentAt, end: piece.contentAt + piece.length };
    return open(bytes.subarray(piece.ivAt, piece.ivAt + 12), aadOf(bytes, layout, piece), at);
  });
  return parts.every((part) => part !== undefined) ? Buffer.concat(parts) : undefined;
}

function footerEnd(bytes: Buffer, { suite, pairs }: Layout, bodyEnd: number): number | undefined {
  if (suite.curve === undefined) return bodyEnd;
  if (bodyEnd + 2 > bytes.length) return undefined;
  const end = bodyEnd + 2 + bytes.readUInt16BE(bodyEnd);
  // Only the messages of the one writer are expected to open.
  const isWriters = pairs.some(
    ([name, value]) => name === 'aws-crypto-public-key' && value === pointOf(suite.curve ?? 'P-256'),
  );
  if (!isWriters || end > bytes.length) return undefined;
  const key = createPublicKey(writers[suite.curve].key);
  return verify(curves[suite.curve].hash, bytes.subarray(0, bodyEnd), key, bytes.subarray(bodyEnd + 2, end))
    ? end
    : undefined;
}
