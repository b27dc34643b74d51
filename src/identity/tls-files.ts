/**
 * The files of a TLS server: a certificate with those between it and its root, its private key, and for mutual TLS the
 * roots that vouch for callers, all in PEM. They are checked here before TLS gets them, because TLS would take a certificate that has
 * ended or a bundle without a root, and refuse every call afterwards.
 */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { codeOf } from '../base/system-code.ts';

/** Where the files are. */
export interface TlsPaths {
  readonly cert: string;
  readonly key: string;
  /** Absent where callers show no certificate. */
  readonly ca?: string;
}

/** What the files hold, fit for use. Disposing wipes the key, which is dead then. */
export interface TlsMaterial extends Disposable {
  /** Certificates in PEM and nothing else. */
  readonly cert: string;
  /** Empty where no roots are asked for. */
  readonly ca: string;
  readonly key: Buffer;
}

/** No file of this kind is larger, in bytes; a bundle of roots has about 2 KiB for each. */
const largestFile = 2 ** 20;

/** RFC 7468, section 5. */
const certificateBlock = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/**
 * A text that changes whenever one of the files does, other files behind the same links included (a Kubernetes volume puts
 * another folder behind `..data`). The time of the inode's change is the kernel's own, which no copy keeps.
 */
export async function fingerprint(paths: TlsPaths): Promise<string> {
  const found = await Promise.all(
    [paths.cert, paths.key, ...rootsOf(paths)].map((path) =>
      stat(path, { bigint: true }).then(
        ({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join(':'),
        (error) => codeOf(error),
      ),
    ),
  );
  return found.join(' ');
}

/**
 * Reads and checks the files; `now` is in milliseconds since 1970. Rejects with an Error whose sentence names the file and
 * the remedy; it never shows what is in a file.
 */
export async function readTlsFiles(paths: TlsPaths, now: number): Promise<TlsMaterial> {
  const key = await readBytes(paths.key);
  const wipe = () => void key.fill(0);
  try {
    const [own] = await certificatesIn(paths.cert);
    const ca = await Promise.all(rootsOf(paths).map((path) => readRoots(path)));
    checkOwn(own.certificate, { paths, key: privateKeyIn(key, paths.key), now });
    return {
      cert: own.file,
      ca: ca.join('\n'),
      key,
      [Symbol.dispose]: wipe,
    };
  } catch (error) {
    wipe();
    throw error;
  }
}

function rootsOf({ ca }: TlsPaths): string[] {
  return ca === undefined ? [] : [ca];
}

async function readRoots(path: string): Promise<string> {
  const roots = await certificatesIn(path);
  checkRoots(
    roots.map(({ certificate }) => certificate),
    path,
  );
  return roots.map(({ pem }) => pem).join('\n');
}

function checkOwn(
  certificate: X509Certificate,
  { paths, key, now }: { readonly paths: TlsPaths; readonly key: KeyObject; readonly now: number },
): void {
  if (!certificate.checkPrivateKey(key)) {
    throw new Error(
      `the key in ${paths.key} is not that of the first certificate in ${paths.cert}; renew both together`,
    );
  }
  if (certificate.validToDate.getTime() <= now) {
    throw new Error(`the certificate in ${paths.cert} has ended; put one there that is valid`);
  }
  if (certificate.validFromDate.getTime() > now) {
    throw new Error(`the certificate in ${paths.cert} is not valid yet; check the clock, or put one there that is`);
  }
}

/** TLS accepts a chain only where it ends at a certificate that signed itself. */
function checkRoots(certificates: readonly X509Certificate[], path: string): void {
  if (certificates.some(({ ca }) => !ca)) {
    throw new Error(`${path} holds a certificate that is not that of an authority; put only root certificates there`);
  }
  if (!certificates.some((root) => root.checkIssued(root))) {
    throw new Error(`${path} holds no root, a certificate that its own key has signed; put the root of callers there`);
  }
}

interface Found {
  readonly certificate: X509Certificate;
  readonly pem: string;
  /** All certificates of the file. */
  readonly file: string;
}

async function certificatesIn(path: string): Promise<[Found, ...Found[]]> {
  const pems = (await readBytes(path)).toString('latin1').match(certificateBlock) ?? [];
  const file = pems.join('\n');
  const [first, ...more] = pems.map((pem) => ({ certificate: parsed(pem, path), pem, file }));
  if (first === undefined) throw new Error(`${path} holds no certificate; it must be in PEM (BEGIN CERTIFICATE)`);
  return [first, ...more];
}

function parsed(pem: string, path: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new Error(`${path} holds a certificate that cannot be read; put it there again, in PEM`, { cause });
  }
}

function privateKeyIn(bytes: Buffer, path: string): KeyObject {
  try {
    return createPrivateKey({ key: bytes, format: 'pem' });
  } catch (cause) {
    throw new Error(`${path} holds no private key that can be read; it must be in PEM, without a passphrase`, {
      cause,
    });
  }
}

/** The whole file, in memory that one wipe reaches: `readFile` would leave pieces of it behind. */
async function readBytes(path: string): Promise<Buffer> {
  await using file = await open(path, 'r').catch((error) => unreadable(path, error));
  const { size } = await file.stat();
  if (size > largestFile) throw new Error(`${path} is larger than a megabyte; put there what TLS needs and no more`);
  const bytes = Buffer.from(new ArrayBuffer(size));
  let length = 0;
  while (length < size) {
    const { bytesRead } = await file
      .read(bytes, length, size - length, length)
      .catch((error) => unreadable(path, error));
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

function unreadable(path: string, cause: unknown): never {
  throw new Error(`${path} cannot be read (${codeOf(cause)}); name a file that keyproxy may read`, { cause });
}
