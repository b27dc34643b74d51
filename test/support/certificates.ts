/**
 * Certificates for servers on loopback, made when a test needs them: nothing that is signed or secret lies in the
 * repository. Keys are EC P-256, which are made in milliseconds.
 */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

/** What a TLS server is given, as PEM. */
export interface ServerCertificate {
  readonly key: string;
  readonly cert: string;
}

export interface CertificateOptions {
  /** IP addresses and DNS names that the certificate is good for; 127.0.0.1, ::1 and localhost unless given. */
  readonly hosts?: readonly string[];
  /** End of its validity; tomorrow unless given. A time in the past makes an expired certificate. */
  readonly notAfter?: Date;
}

/** A certificate authority that only those trust who are told to. */
export interface TestAuthority {
  /** Its own certificate as PEM: what a client is told to trust. */
  readonly ca: string;
  /** Makes a server's key, and a certificate for it that this authority has signed. */
  issue(options?: CertificateOptions): Promise<ServerCertificate>;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;
const loopback = ['127.0.0.1', '::1', 'localhost'];

let authorities = 0;

/** Makes an authority with a key of its own; two authorities of one process never share a name either. */
export async function makeAuthority(): Promise<TestAuthority> {
  const keys = await makeKeys();
  const name = `CN=keyproxy test authority ${authorities++}`;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + dayMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { ca: certificate.toString('pem'), issue: (options = {}) => issue({ name, keys }, options) };
}

async function issue(
  issuer: { readonly name: string; readonly keys: webcrypto.CryptoKeyPair },
  { hosts = loopback, notAfter = new Date(Date.now() + dayMs) }: CertificateOptions,
): Promise<ServerCertificate> {
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${hosts[0] ?? 'nobody'}`,
    issuer: issuer.name,
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: algorithm,
    notBefore: new Date(Math.min(Date.now(), notAfter.getTime()) - dayMs),
    notAfter,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        hosts.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
    ],
  });
  return { key: await pemOf(keys.privateKey), cert: certificate.toString('pem') };
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n');
}
