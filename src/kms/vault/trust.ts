/** The authorities that may have signed a server's certificate: a file of the customer's, read anew when it changes. */
import { readFile, stat } from 'node:fs/promises';
import { KmsError } from '../fault.ts';

/** A bundle of some hundred authorities is below 300 KiB. */
const maxBytes = 1024 * 1024;

/** The authorities for one server. */
export class TrustedAuthorities {
  readonly #file: string | undefined;
  #read: { readonly version: string; readonly pem: string } | undefined;

  /** Without `file` those of the system are meant. */
  constructor(file: string | undefined) {
    this.#file = file;
  }

  /** The file's content, PEM; undefined without a file. Throws a `KmsError` where it holds none. */
  async certificates(): Promise<string | undefined> {
    if (this.#file === undefined) return undefined;
    try {
      const found = await stat(this.#file);
      // A device or a pipe has no end that reading could come to.
      if (!found.isFile()) throw unreadable('FileUnreadable');
      const { mtimeMs, size, ino } = found;
      const version = `${ino} ${mtimeMs} ${size}`;
      if (this.#read?.version === version) return this.#read.pem;
      const pem = size > maxBytes ? '' : await readFile(this.#file, 'latin1');
      if (!pem.includes('-----BEGIN CERTIFICATE-----')) throw unreadable('NotPem');
      this.#read = { version, pem };
      return pem;
    } catch (error) {
      if (error instanceof KmsError) throw error;
      throw unreadable('FileUnreadable');
    }
  }
}

function unreadable(providerCode: string): KmsError {
  return new KmsError(
    { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' },
    {
      provider: 'vault',
      operation: 'connect',
      providerCode,
      advice:
        'make ca_file name a readable file with PEM certificates, or leave it out for the authorities of the system',
    },
  );
}
