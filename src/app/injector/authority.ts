/**
 * An authority of the injector's own, and the certificate that it signs for the webhook: ECDSA over P-256, which every API
 * server knows. By `@peculiar/x509`, because Node can read certificates and cannot make them; the library wants
 * `reflect-metadata` loaded before it.
 */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** A certificate in PEM, and its private key in PEM (PKCS #8), which nothing may log. */
export interface Issued {
  readonly cert: string;
  readonly key: Buffer;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** How long certificates are good for, in milliseconds. They count from an hour before, for clocks that are behind. */
export const authorityLifeMs = 365 * dayMs;
export const leafLifeMs = 7 * dayMs;
export const backdatedMs = hourMs;

/** Begins the name of every authority of an injector, by which it knows its own in a bundle. */
export const authorityName = 'keyproxy-injector authority';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** Makes an authority with a key of its own; `now` is in milliseconds since 1970. */
export async function makeAuthority(now: number): Promise<Issued> {
  const keys = await makeKeys();
  // Two authorities stand side by side during a rotation, and whoever checks tells them apart by their names.
  const suffix = Buffer.from(webcrypto.getRandomValues(new Uint8Array(8))).toString('hex');
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${authorityName} ${suffix}`,
    keys,
    signingAlgorithm: algorithm,
    ...validity(now, now + authorityLifeMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: pemOf(certificate), key: await keyPem(keys.privateKey) };
}

/** Makes a certificate for a server of these names; it ends with its authority at the latest. */
export async function issueLeaf(
  authority: Issued,
  options: { hosts: readonly string[]; now: number },
): Promise<Issued> {
  const { hosts, now } = options;
  const keys = await makeKeys();
  const issuer = new x509.X509Certificate(authority.cert);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=keyproxy-injector',
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    signingAlgorithm: algorithm,
    ...validity(now, Math.min(now + leafLifeMs, issuer.notAfter.getTime())),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(hosts.map((value) => ({ type: 'dns', value }))),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: pemOf(certificate), key: await keyPem(keys.privateKey) };
}

function validity(now: number, end: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(now - backdatedMs), notAfter: new Date(end) };
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
}

function pemOf(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

async function keyPem(key: webcrypto.CryptoKey): Promise<Buffer> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  der.fill(0);
  return Buffer.from(['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n'));
}

async function importKey(pem: Buffer): Promise<webcrypto.CryptoKey> {
  const der = Buffer.from(pem.toString('latin1').replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  return await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
}
