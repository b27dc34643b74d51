/** The certificates that loopback servers of tests present, as Node's own TLS sees them. */
import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { type CertificateOptions, makeAuthority, type ServerCertificate } from '../../support/certificates.ts';

/** How a handshake with a server that has this certificate ends for a client that trusts `ca`. */
async function handshake(certificate: ServerCertificate, ca: string, servername = 'localhost'): Promise<string> {
  const server = createServer(certificate);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const outcome = await new Promise<string>((done) => {
    const socket = connect({ host: '127.0.0.1', port, ca, servername }, () => {
      done('ok');
      socket.destroy();
    });
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
  });
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  return outcome;
}

describe('a test authority', () => {
  it.each<[string, CertificateOptions, string, string]>([
    ['for loopback', {}, 'localhost', 'ok'],
    ['for another name', { hosts: ['vault.example'] }, 'localhost', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['for that name', { hosts: ['vault.example'] }, 'vault.example', 'ok'],
    ['that has expired', { notAfter: new Date(Date.now() - 60_000) }, 'localhost', 'CERT_HAS_EXPIRED'],
  ])('issues a certificate %s that Node judges as it should', async (_, options, servername, expected) => {
    const authority = await makeAuthority();
    expect(await handshake(await authority.issue(options), authority.ca, servername)).toBe(expected);
  });

  it('is trusted by nobody who trusts another', async () => {
    const [one, other] = [await makeAuthority(), await makeAuthority()];
    expect(await handshake(await one.issue(), other.ca)).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });

  it('issues for the addresses of loopback too, as a server and no authority', async () => {
    const authority = await makeAuthority();
    const certificate = new X509Certificate((await authority.issue()).cert);
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(certificate.checkIP('::1')).toBe('::1');
    expect(certificate.ca).toBe(false);
    expect(certificate.verify(new X509Certificate(authority.ca).publicKey)).toBe(true);
  });
});
