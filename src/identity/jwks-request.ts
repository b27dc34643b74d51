/**
 * One request for the keys of an issuer (RFC 7517 section 5): by Node's own client, with no redirect, no retry, and a
 * bound on the answer. Files are read for each request: Kubernetes replaces the token, and may replace the authority.
 */
import { readFile, stat } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connectionCodeOf } from '../base/system-code.ts';

/** Where the keys of an issuer are. */
export interface JwksSource {
  /** The whole URL, `https:` or `http:`. */
  readonly uri: string;
  /** PEM file with the authority that signed the server's certificate; the system's authorities without it. */
  readonly caFile?: string;
  /** File with a token that the server wants to see: the API server of a cluster does. */
  readonly tokenFile?: string;
}

/** Why the keys could not be had. Never repeats what was answered. */
export class KeysUnavailable extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'KeysUnavailable';
  }
}

/** A hundred keys of RSA-4096 with their certificates are below it, in bytes. */
const longestAnswer = 256 * 1024;
/** Bundles of authorities are below 300 KiB, in bytes. */
const longestAuthorities = 1024 * 1024;
const longestToken = 16 * 1024;

/** The text of the answer. Rejects with `KeysUnavailable`, or with the signal's reason where `signal` ended it. */
export async function requestJwks(source: JwksSource, signal: AbortSignal): Promise<string> {
  const ca = source.caFile === undefined ? undefined : await authorities(source.caFile);
  const token = source.tokenFile === undefined ? undefined : await bearer(source.tokenFile);
  signal.throwIfAborted();
  try {
    return await exchange(source.uri, { ca, token, signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof KeysUnavailable ? error : new KeysUnavailable(`no answer: ${connectionCodeOf(error)}`);
  }
}

interface Exchange {
  readonly ca: string | undefined;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
}

function exchange(uri: string, { ca, token, signal }: Exchange): Promise<string> {
  const options = {
    // A connection of its own: the next request is minutes away.
    agent: false,
    headers: {
      accept: 'application/jwk-set+json, application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    signal,
  };
  return new Promise((done, fail) => {
    const outgoing = uri.startsWith('https:')
      ? httpsRequest(uri, { ...options, ...(ca !== undefined && { ca }) })
      : httpRequest(uri, options);
    outgoing.once('response', (incoming) => {
      receive(incoming)
        .then(done, fail)
        .finally(() => outgoing.destroy());
    });
    outgoing.on('error', fail);
    outgoing.once('close', () => fail(new KeysUnavailable('no answer: the connection was closed')));
    outgoing.end();
  });
}

async function receive(incoming: IncomingMessage): Promise<string> {
  const { statusCode } = incoming;
  if (statusCode !== 200) throw new KeysUnavailable(`the answer is ${statusCode}, and would have to be 200`);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > longestAnswer) throw new KeysUnavailable('the answer is longer than 256 KiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function authorities(file: string): Promise<string> {
  const pem = await small(file, longestAuthorities);
  if (pem?.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw new KeysUnavailable('ca_file cannot be used; make it name a readable file with PEM certificates');
}

async function bearer(file: string): Promise<string> {
  const token = (await small(file, longestToken))?.trim();
  if (token !== undefined && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new KeysUnavailable('token_file cannot be used; make it name a readable file with one token');
}

/** The content of a file; undefined where it cannot be read or is larger than `most` bytes. */
async function small(file: string, most: number): Promise<string | undefined> {
  try {
    const found = await stat(file);
    // A device or a pipe has no end that reading could come to.
    return found.isFile() && found.size <= most ? await readFile(file, 'latin1') : undefined;
  } catch {
    return undefined;
  }
}
