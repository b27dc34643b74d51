/**
 * What a certificate says about itself in its extensions (RFC 5280, sections 4.1 and 4.2), as far as an SVID has rules
 * for it. Node tells neither the bits of the key usage nor the alternative names one by one: it joins those to one line of
 * text (https://nodejs.org/docs/latest-v24.x/api/crypto.html#x509subjectaltname).
 *
 * ```
 * Certificate ::= { tbs { [0] version, serial, algorithm, issuer, validity, subject, key, [1], [2], [3] extensions },
 *                   algorithm, signature }
 * Extension   ::= { objectIdentifier, critical BOOLEAN DEFAULT FALSE, value OCTET STRING (DER of its own) }
 * ```
 */
import { bitsOf, DerError, DerReader, explicitTag, implicitTag, tags } from './svid-der.ts';

/** What the extensions say. */
export interface SvidExtensions {
  /** Every alternative name that is a URI, in the order of the certificate. */
  readonly uris: readonly string[];
  /** Basic constraints, `cA`; false where they are absent. */
  readonly isAuthority: boolean;
  /** Absent where the certificate has no key usage. */
  readonly keyUsage?: KeyUsage;
  /** Object identifiers in hexadecimal; absent where the certificate does not restrict what it is for. */
  readonly extendedKeyUsage?: readonly string[];
}

/** Bits of the key usage (RFC 5280, section 4.2.1.3). */
export interface KeyUsage {
  readonly digitalSignature: boolean;
  readonly keyCertSign: boolean;
  readonly cRLSign: boolean;
}

/** Contents of object identifiers in hexadecimal. */
const known = {
  /** 2.5.29.15 */
  keyUsage: '551d0f',
  /** 2.5.29.17 */
  subjectAltName: '551d11',
  /** 2.5.29.19 */
  basicConstraints: '551d13',
  /** 2.5.29.37 */
  extendedKeyUsage: '551d25',
} as const;

/** 1.3.6.1.5.5.7.3.2, id-kp-clientAuth (RFC 5280, section 4.2.1.12). */
export const clientAuth = '2b06010505070302';

/** `[6] IA5String` in a list of names (RFC 5280, section 4.2.1.6), and the last kind of name. */
const [uriTag, lastNameKind] = [implicitTag(6), 8];

/** Reads a certificate of version 3. Throws a `DerError` where it is anything else, or has an extension twice. */
export function readSvidExtensions(der: Buffer): SvidExtensions {
  const values = extensionsOf(der);
  const read = <T>(name: keyof typeof known, reader: (value: DerReader) => T): T | undefined => {
    const value = values.get(known[name]);
    if (value === undefined) return undefined;
    const inside = new DerReader(value);
    const result = reader(inside);
    inside.end();
    return result;
  };
  const keyUsage = read('keyUsage', keyUsageIn);
  const extendedKeyUsage = read('extendedKeyUsage', purposesIn);
  return {
    uris: read('subjectAltName', urisIn) ?? [],
    isAuthority: read('basicConstraints', isAuthorityIn) ?? false,
    ...(keyUsage !== undefined && { keyUsage }),
    ...(extendedKeyUsage !== undefined && { extendedKeyUsage }),
  };
}

/** Object identifier → value, both as they stand in the certificate. */
function extensionsOf(der: Buffer): Map<string, Buffer> {
  const file = new DerReader(der);
  const certificate = file.enter(tags.sequence);
  file.end();
  const signed = certificate.enter(tags.sequence);
  certificate.take(tags.sequence);
  certificate.take(tags.bitString);
  certificate.end();
  skipToExtensions(signed);
  const shell = signed.enter(explicitTag(3));
  signed.end();
  const list = shell.enter(tags.sequence);
  shell.end();
  const found = new Map<string, Buffer>();
  while (!list.isAtEnd) {
    const extension = list.enter(tags.sequence);
    const name = extension.take(tags.objectIdentifier).toString('hex');
    extension.takeBoolean(false);
    const value = extension.take(tags.octetString);
    extension.end();
    if (found.has(name)) throw new DerError('a certificate has no extension twice');
    found.set(name, value);
  }
  return found;
}

function skipToExtensions(signed: DerReader): void {
  const version = signed.enter(explicitTag(0));
  if (!version.take(tags.integer).equals(Buffer.of(2))) throw new DerError('only version 3 has extensions');
  version.end();
  signed.take(tags.integer);
  for (const _part of ['algorithm', 'issuer', 'validity', 'subject', 'key']) signed.take(tags.sequence);
  for (const number of [1, 2]) signed.takeOptional(implicitTag(number));
}

function keyUsageIn(value: DerReader): KeyUsage {
  const has = bitsOf(value.take(tags.bitString));
  return { digitalSignature: has(0), keyCertSign: has(5), cRLSign: has(6) };
}

function urisIn(value: DerReader): string[] {
  const names = value.enter(tags.sequence);
  const uris: string[] = [];
  while (!names.isAtEnd) {
    const { tag, contents } = names.any();
    if (tag === uriTag) uris.push(contents.toString('latin1'));
    else if ((tag & 0xc0) !== 0x80 || (tag & 0x1f) > lastNameKind || tag === explicitTag(6)) {
      throw new DerError('an alternative name is of one of the nine kinds');
    }
  }
  return uris;
}

function isAuthorityIn(value: DerReader): boolean {
  const constraints = value.enter(tags.sequence);
  const isAuthority = constraints.takeBoolean(false);
  constraints.takeOptional(tags.integer);
  constraints.end();
  return isAuthority;
}

function purposesIn(value: DerReader): string[] {
  const list = value.enter(tags.sequence);
  const purposes: string[] = [];
  while (!list.isAtEnd) purposes.push(list.take(tags.objectIdentifier).toString('hex'));
  return purposes;
}
