/**
 * Wrapping for real: RSA as in RFC 8017, AES Key Wrap as in RFC 3394. What a key cannot do, and what does not open, is
 * a `BadParameter`.
 *
 * Source: "About keys", section "Key types, algorithms, and operations": RSA keys have RSA1_5, RSA-OAEP and
 * RSA-OAEP-256; A128KW, A192KW and A256KW belong to oct-HSM keys, which managed HSMs alone have; EC keys sign.
 */
import { constants, createCipheriv, createDecipheriv, privateDecrypt, publicEncrypt } from 'node:crypto';
import type { KeyRecord, KeyType, KeyVersion } from './keys.ts';
import { badParameter } from './vault-errors.ts';

/** Encrypts or decrypts under one version of a key; throws a `BadParameter` for what does not fit or open. */
type Transform = (version: KeyVersion, input: Buffer) => Promise<Buffer>;

interface Algorithm {
  readonly types: readonly KeyType[];
  /** Bits that a secret has to have. */
  readonly size?: number;
  readonly forth: Transform;
  readonly back: Transform;
}

const { RSA_NO_PADDING, RSA_PKCS1_OAEP_PADDING, RSA_PKCS1_PADDING } = constants;

/** What encrypts a value and what wraps a key, by the name in `alg`. */
const algorithms: ReadonlyMap<string, Algorithm> = new Map([
  ['RSA1_5', rsa({ padding: RSA_PKCS1_PADDING })],
  ['RSA-OAEP', rsa({ padding: RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' })],
  ['RSA-OAEP-256', rsa({ padding: RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' })],
  ['A128KW', keyWrap(128)],
  ['A192KW', keyWrap(192)],
  ['A256KW', keyWrap(256)],
]);

/** Names that the documentation has and the simulator does not know. */
const elsewhere =
  /^(?:A(?:128|192|256)(?:GCM|CBC|CBCPAD)|CKM_AES_KEY_WRAP(?:_PAD)?|(?:RS|PS|ES|HS)(?:256|384|512)|ES256K)$/;

/** The algorithm of that name; throws a `BadParameter` where this key cannot have it. */
export function algorithmFor(key: KeyRecord, kid: string, name: string): Algorithm {
  const algorithm = algorithms.get(name);
  if (algorithm === undefined) throw unknownAlgorithm(name);
  if (!algorithm.types.includes(key.type)) {
    const types = algorithm.types.map((type) => `'${type}'`).join(' or ');
    throw badParameter(
      `Key and encryption algorithm are incompatible. Key ${kid} is of type '${key.type}', ` +
        `and algorithm '${name}' can only be used with a key of type ${types}.`,
    );
  }
  if (algorithm.size !== undefined && algorithm.size !== key.size) {
    throw badParameter(`Algorithm '${name}' needs a key of ${algorithm.size} bits.`);
  }
  return algorithm;
}

function unknownAlgorithm(name: string): Error {
  if (elsewhere.test(name)) return new Error(`the Azure simulator does not know ${name}`);
  return badParameter('Property alg has invalid value');
}

interface Padding {
  readonly padding: number;
  readonly oaepHash?: string;
}

function rsa(padding: Padding): Algorithm {
  return {
    types: ['RSA', 'RSA-HSM'],
    async forth({ material }, input) {
      if (material.kind !== 'pair') throw new TypeError('an RSA key without a pair');
      const { publicKey } = await material.pair();
      return attempt('value', () => publicEncrypt({ key: publicKey, ...padding }, input));
    },
    async back({ material }, input) {
      if (material.kind !== 'pair') throw new TypeError('an RSA key without a pair');
      const { privateKey } = await material.pair();
      if (padding.padding !== RSA_PKCS1_PADDING) {
        return attempt('value', () => privateDecrypt({ key: privateKey, ...padding }, input));
      }
      return unpad(attempt('value', () => privateDecrypt({ key: privateKey, padding: RSA_NO_PADDING }, input)));
    },
  };
}

/** Takes PKCS #1 v1.5 padding off (RFC 8017, 7.2.2): OpenSSL itself answers a wrong one with made-up bytes. */
function unpad(block: Buffer): Buffer {
  const end = block.indexOf(0, 2);
  if (block[0] !== 0 || block[1] !== 2 || end < 10) throw invalid('value');
  return block.subarray(end + 1);
}

const initialValue = Buffer.alloc(8, 0xa6);

function keyWrap(size: 128 | 192 | 256): Algorithm {
  const cipher = `aes${size}-wrap`;
  return {
    types: ['oct-HSM'],
    size,
    async forth({ material }, input) {
      if (material.kind !== 'secret') throw new TypeError('an AES key without a secret');
      if (input.length < 16 || input.length % 8 !== 0) throw invalid('value');
      const wrap = createCipheriv(cipher, material.key, initialValue);
      return Buffer.concat([wrap.update(input), wrap.final()]);
    },
    async back({ material }, input) {
      if (material.kind !== 'secret') throw new TypeError('an AES key without a secret');
      if (input.length < 24 || input.length % 8 !== 0) throw invalid('value');
      return attempt('value', () => {
        const unwrap = createDecipheriv(cipher, material.key, initialValue);
        return Buffer.concat([unwrap.update(input), unwrap.final()]);
      });
    },
  };
}

/** What OpenSSL refuses is the caller's fault: too long a value, or one that does not open. */
function attempt(property: string, run: () => Buffer): Buffer {
  try {
    return run();
  } catch {
    throw invalid(property);
  }
}

function invalid(property: string): Error {
  return badParameter(`Property ${property} has invalid value`);
}
