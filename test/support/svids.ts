/**
 * A trust domain for tests: roots, authorities below them, and leaves, good ones and bad ones of every kind. Certificates
 * are put together value by value, because no library makes the bad ones; that the good ones are good, TLS tells.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { bitString, boolean, namedBits, oid, sequence, utcTime, value } from './svid-der.ts';

/** A certificate with its key; `cert` holds the authorities between it and the root too. */
export interface Svid {
  readonly cert: string;
  readonly key: string;
  /** The leaf alone. */
  readonly der: Buffer;
}

export interface SvidOptions {
  /** Alternative names that are URIs; a workload of `example.org` unless given. */
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  readonly isAuthority?: boolean;
  /** Numbers of bits (RFC 5280, section 4.2.1.3); `none` leaves the extension out. */
  readonly keyUsage?: readonly number[] | 'none';
  /** Last numbers of 1.3.6.1.5.5.7.3; 1 is serverAuth, 2 is clientAuth; `none` leaves the extension out. */
  readonly extendedKeyUsage?: readonly number[] | 'none';
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Has the last word on the list of extensions. */
  readonly extensions?: (list: Buffer[]) => Buffer[];
  /** A key that exists already: a renewal that keeps it. */
  readonly keys?: Keys;
}

export interface Authority {
  /** Its own certificate in PEM. */
  readonly pem: string;
  issue(options?: SvidOptions): Svid;
  /** An authority below this one. */
  intermediate(): Authority;
}

export interface Keys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** The workload that an SVID names unless told otherwise, and its trust domain. */
export const [workload, trustDomain] = ['spiffe://example.org/ns/shop/sa/web', 'example.org'] as const;

export const keyUsageBits = { digitalSignature: 0, keyEncipherment: 2, keyCertSign: 5, cRLSign: 6, decipherOnly: 8 };

const hourMs = 3_600_000;
const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));

let authorities = 0;

/** A root with a key and a name of its own. */
export function makeRoot(): Authority {
  return authority(makeKeys());
}

export function makeKeys(): Keys {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

/** An extension (RFC 5280, section 4.1). */
export function extension(id: string, critical: boolean, contents: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), value(0x04, contents));
}

/** The extension of alternative names, of values that are written already. */
export function alternativeNames(...names: readonly Buffer[]): Buffer {
  return extension('2.5.29.17', true, sequence(...names));
}

/** An alternative name that is a URI. */
export function uriName(uri: string): Buffer {
  return value(0x86, Buffer.from(uri, 'latin1'));
}

interface Issuer {
  readonly name: Buffer;
  readonly key: KeyObject;
  /** Certificates between what it signs and the root, in PEM. */
  readonly chain: string;
}

function authority(keys: Keys, above?: Issuer): Authority {
  const name = nameOf(`test authority ${authorities++}`);
  const issuer = above ?? { name, key: keys.privateKey, chain: '' };
  const { keyCertSign, cRLSign } = keyUsageBits;
  const options = { isAuthority: true, keyUsage: [keyCertSign, cRLSign], extendedKeyUsage: 'none', uris: [] } as const;
  const pem = pemOf(certificate(options, { keys, issuer, subject: name }));
  const own = { name, key: keys.privateKey, chain: above === undefined ? '' : pem + above.chain };
  return {
    pem,
    issue: (wanted = {}) => leaf(wanted, own),
    intermediate: () => authority(makeKeys(), own),
  };
}

function leaf(options: SvidOptions, issuer: Issuer): Svid {
  const { keys = makeKeys() } = options;
  const der = certificate(options, { keys, issuer, subject: sequence() });
  const key = String(keys.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  return { cert: pemOf(der) + issuer.chain, key, der };
}

interface Parties {
  readonly keys: Keys;
  readonly issuer: Issuer;
  readonly subject: Buffer;
}

function certificate(options: SvidOptions, { keys, issuer, subject }: Parties): Buffer {
  const now = Date.now();
  const { notBefore = new Date(now - hourMs), notAfter = new Date(now + hourMs) } = options;
  const all = extensionsOf(options);
  const signed = sequence(
    value(0xa0, value(0x02, Buffer.of(2))),
    value(0x02, Buffer.concat([Buffer.of(1), randomBytes(15)])),
    ...[ecdsaWithSha256, issuer.name, sequence(utcTime(notBefore), utcTime(notAfter)), subject],
    keys.publicKey.export({ type: 'spki', format: 'der' }),
    value(0xa3, sequence(...(options.extensions?.(all) ?? all))),
  );
  return sequence(signed, ecdsaWithSha256, bitString(sign('sha256', signed, issuer.key)));
}

function extensionsOf(options: SvidOptions): Buffer[] {
  const { uris = [workload], dns = [], isAuthority = false } = options;
  const { keyUsage = [keyUsageBits.digitalSignature], extendedKeyUsage = [1, 2] } = options;
  const names = [...uris.map(uriName), ...dns.map((name) => value(0x82, Buffer.from(name, 'latin1')))];
  return [
    extension('2.5.29.19', true, sequence(...(isAuthority ? [boolean(true)] : []))),
    ...(keyUsage === 'none' ? [] : [extension('2.5.29.15', true, namedBits(keyUsage))]),
    ...(extendedKeyUsage === 'none'
      ? []
      : [extension('2.5.29.37', false, sequence(...extendedKeyUsage.map((last) => oid(`1.3.6.1.5.5.7.3.${last}`))))]),
    ...(names.length === 0 ? [] : [alternativeNames(...names)]),
  ];
}

function nameOf(commonName: string): Buffer {
  return sequence(value(0x31, sequence(oid('2.5.4.3'), value(0x0c, Buffer.from(commonName, 'utf8')))));
}

function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
