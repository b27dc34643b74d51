/**
 * An issuer of service-account tokens on loopback, as the API server of a cluster is one: it lists its keys, changes
 * them, and is unwell on demand. Its tokens have the claims of Kubernetes' projected ones.
 */
import { constants, createHash, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import type { ServerCertificate } from './certificates.ts';

export type TokenAlgorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA';

/** A key with its name, which is made of it as Kubernetes does it. */
export interface IssuerKey {
  readonly kid: string;
  readonly algorithm: TokenAlgorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly jwk: JsonWebKey & { readonly kid: string };
}

/** How requests for the keys are answered. */
export type IssuerMood =
  | { readonly kind: 'well' }
  /** No answer ever comes. */
  | { readonly kind: 'hang' }
  /** The head of an answer comes, then silence. */
  | { readonly kind: 'half' }
  /** The connection is cut before any answer. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'status'; readonly status: number; readonly location?: string }
  /** Something else than keys. */
  | { readonly kind: 'body'; readonly body: string };

export interface TokenIssuerOptions {
  readonly certificate?: ServerCertificate;
  /** For the times in tokens; the machine's unless given. */
  readonly clock?: Clock;
  /** Of its first key; ES256 unless given, because such keys are made in no time. */
  readonly algorithm?: TokenAlgorithm;
  /** Requests without this bearer are answered 401. */
  readonly bearer?: string;
}

/** What a token is of, beside what Kubernetes would say. */
export interface Minting {
  /** Take the place of the claims of the same name; `undefined` takes one away. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
  /** Signs in the place of the issuer's own key. */
  readonly key?: IssuerKey;
  /** Seconds until it is over; 3600 unless given. */
  readonly lifeSeconds?: number;
  readonly namespace?: string;
  readonly account?: string;
}

/** Makes keys; RSA ones have 2048 bits. */
export function makeIssuerKey(algorithm: TokenAlgorithm): IssuerKey {
  const { privateKey, publicKey } = pairFor(algorithm);
  const der = publicKey.export({ type: 'spki', format: 'der' });
  const kid = createHash('sha256').update(der).digest('base64url');
  const jwk = { ...publicKey.export({ format: 'jwk' }), use: 'sig', kid, alg: algorithm };
  return { kid, algorithm, privateKey, publicKey, jwk };
}

function pairFor(algorithm: TokenAlgorithm): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  switch (algorithm) {
    case 'RS256':
    case 'PS256':
      return generateKeyPairSync('rsa', { modulusLength: 2048 });
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'EdDSA':
      return generateKeyPairSync('ed25519');
  }
}

/** The signature over `input`, in the form of JWS (RFC 7518 section 3). */
export function signWith({ algorithm, privateKey: key }: IssuerKey, input: string): Buffer {
  const data = Buffer.from(input);
  switch (algorithm) {
    case 'RS256':
      return sign('sha256', data, key);
    case 'PS256':
      return sign('sha256', data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
    case 'ES256':
      return sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' });
    case 'EdDSA':
      return sign(null, data, key);
  }
}

/** A part of a token; text is taken as the JSON that it is. */
export function tokenPart(value: object | string): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

/** A signed token of this header and these claims, whatever they are. */
export function signToken(key: IssuerKey, header: object | string, claims: object | string): string {
  const input = `${tokenPart(header)}.${tokenPart(claims)}`;
  return `${input}.${signWith(key, input).toString('base64url')}`;
}

/** Starts an issuer with one key. Dispose of it to cut its connections and free the port. */
export async function startTokenIssuer(options: TokenIssuerOptions = {}): Promise<TokenIssuer> {
  const issuer = new TokenIssuer(options);
  await issuer.listen();
  return issuer;
}

export class TokenIssuer implements AsyncDisposable {
  readonly name = 'https://kubernetes.default.svc.cluster.local';
  mood: IssuerMood = { kind: 'well' };
  /** How the next requests are answered, one after the other, whatever the mood. */
  readonly next: IssuerMood[] = [];
  /** What is listed; the last one signs. */
  keys: IssuerKey[];
  /** The headers of each request for the keys. */
  readonly requests: IncomingMessage['headers'][] = [];
  readonly #options: TokenIssuerOptions;
  readonly #server: Server;
  #port = 0;

  constructor(options: TokenIssuerOptions) {
    const { certificate, algorithm = 'ES256' } = options;
    this.#options = options;
    this.keys = [makeIssuerKey(algorithm)];
    const answer = (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response);
    this.#server = certificate === undefined ? createHttpServer(answer) : createHttpsServer(certificate, answer);
  }

  /** Listens on a free port. */
  async listen(): Promise<void> {
    await new Promise<void>((done, fail) => {
      this.#server.once('error', fail);
      this.#server.listen(0, '127.0.0.1', done);
    });
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the system gave no port');
    this.#port = address.port;
  }

  /** Where the keys are, in the path of a cluster's API server. */
  get jwksUri(): string {
    return `${this.#options.certificate === undefined ? 'http' : 'https'}://127.0.0.1:${this.#port}/openid/v1/jwks`;
  }

  /** The key that signs. */
  get key(): IssuerKey {
    const key = this.keys.at(-1);
    if (key === undefined) throw new Error('the issuer has no key');
    return key;
  }

  /** Signs with a new key from now on; the old ones stay listed until they are retired. */
  rotate(algorithm: TokenAlgorithm = 'ES256'): IssuerKey {
    const key = makeIssuerKey(algorithm);
    this.keys.push(key);
    return key;
  }

  /** Lists this key no longer. */
  retire(key: IssuerKey): void {
    this.keys = this.keys.filter((other) => other !== key);
  }

  /** The claims of a projected token for the audience `keyproxy`. */
  claims({ lifeSeconds = 3600, namespace = 'shop', account = 'orders' }: Minting = {}): Record<string, unknown> {
    const now = Math.floor((this.#options.clock ?? systemClock).now() / 1000);
    return {
      aud: ['keyproxy'],
      ...{ exp: now + lifeSeconds, iat: now, iss: this.name, jti: '5f2b6c1e-9f6a-4a52-8d57-0c2c4a3b9e11' },
      'kubernetes.io': {
        namespace,
        node: { name: 'node-1', uid: '5f0d2f5e-4f2f-4a87-a2a5-5b1f2f1b0c11' },
        pod: { name: `${account}-6c7d9b7c5-x2x4q`, uid: 'f2c6a3b0-0d0c-4c47-9a0c-7a3d9f1a2b33' },
        serviceaccount: { name: account, uid: '0b8a7a56-3c9e-4c0c-8d6d-2f7e5b3c4d55' },
      },
      ...{ nbf: now, sub: `system:serviceaccount:${namespace}:${account}` },
    };
  }

  /** A token as a pod finds it in its file. */
  mint(minting: Minting = {}): string {
    const key = minting.key ?? this.key;
    const header = { alg: key.algorithm, kid: key.kid, ...minting.header };
    return signToken(key, header, { ...this.claims(minting), ...minting.claims });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done));
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const mood = this.next.shift() ?? this.mood;
    const { bearer } = this.#options;
    this.requests.push(request.headers);
    if (request.url !== '/openid/v1/jwks') response.writeHead(404).end();
    else if (bearer !== undefined && request.headers.authorization !== `Bearer ${bearer}`)
      response.writeHead(401).end();
    else if (mood.kind === 'well') this.#list(response, JSON.stringify({ keys: this.keys.map(({ jwk }) => jwk) }));
    else if (mood.kind === 'body') this.#list(response, mood.body);
    else if (mood.kind === 'half') response.writeHead(200, { 'content-length': 1000 }).flushHeaders();
    else if (mood.kind === 'cut') request.socket.destroy();
    else if (mood.kind === 'status') {
      response.writeHead(mood.status, mood.location === undefined ? {} : { location: mood.location }).end();
    }
  }

  #list(response: ServerResponse, body: string): void {
    response.writeHead(200, { 'content-type': 'application/jwk-set+json' }).end(body);
  }
}
