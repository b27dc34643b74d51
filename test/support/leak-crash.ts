/**
 * Loaded into a daemon before its own code, it breaks the daemon: ciphers fail with errors that carry all that they were
 * given, as vendors' errors do, and on SIGUSR2 such an error is thrown where nobody catches it.
 */
import crypto, { type CipherGCM, type KeyObject } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { pathToFileURL } from 'node:url';

/** How a daemon ends on SIGUSR2. */
export type Crash = (typeof crashes)[number];

export const crashes = ['uncaught error', 'rejection with an error', 'rejection with an object'] as const;

const variable = 'KEYPROXY_TEST_CRASH';

/** The environment of a daemon that is to be broken; it must not be hardened. */
export function breakIt(crash: Crash): Readonly<Record<string, string>> {
  return { [variable]: crash, NODE_OPTIONS: `--import ${pathToFileURL(import.meta.filename)}` };
}

let given: object = {};

function breakCiphers(): void {
  const create = crypto.createCipheriv;
  const broken = (...args: Parameters<typeof create>): CipherGCM => {
    const cipher = create(...args) as CipherGCM;
    cipher.update = (chunk: unknown) => {
      const key = (args[1] as KeyObject).export();
      given = { chunk: Buffer.from(chunk as Buffer), key, request: { headers: { key: key.toString('base64') } } };
      throw Object.assign(new Error('the cipher broke', { cause: given }), given);
    };
    return cipher;
  };
  Object.assign(crypto, { createCipheriv: broken });
  syncBuiltinESMExports();
}

function end(crash: string): void {
  const error = Object.assign(new Error('all is lost', { cause: given }), given);
  if (crash === 'uncaught error') throw error;
  void Promise.reject(crash === 'rejection with an error' ? error : given);
}

const crash = process.env[variable];
if (crash !== undefined) {
  breakCiphers();
  process.on('SIGUSR2', () => end(crash));
}
