/**
 * Issuers of service-account tokens, as a Kubernetes cluster is one: signed JSON Web Tokens (RFC 7519, ES256) and
 * their verification by whoever knows the issuer.
 */
import { generateKeyPairSync, randomUUID, sign, verify } from 'node:crypto';

export interface TokenClaims {
  /** `system:serviceaccount:NAMESPACE:NAME`. */
  readonly sub: string;
  readonly aud: string;
  /** Seconds from now until it expires; negative for one that has. */
  readonly seconds?: number;
}

/** What a token says, once its signature has been verified. */
export interface VerifiedToken {
  readonly sub: string;
  readonly aud: readonly string[];
  /** Seconds since 1970. */
  readonly exp: number;
}

const header = { alg: 'ES256', typ: 'JWT' };

export class OidcIssuer {
  /** Without `https://`, as IAM names it in providers and condition keys. */
  readonly name: string;
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  constructor(name = `oidc.eks.us-east-1.amazonaws.com/id/${randomUUID().replaceAll('-', '').toUpperCase()}`) {
    this.name = name;
  }

  /** Signs a token. */
  token({ sub, aud, seconds = 600 }: TokenClaims): string {
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: `https://${this.name}`, sub, aud: [aud], iat: now, exp: now + seconds, jti: randomUUID() };
    const signed = `${encoded(header)}.${encoded(claims)}`;
    const signature = sign('sha256', Buffer.from(signed), { key: this.#keys.privateKey, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  }

  /** What a token of this issuer says; undefined for any other, and for one that was changed. Does not judge its time. */
  verify(token: string): VerifiedToken | undefined {
    const [head = '', body = '', signature = '', ...rest] = token.split('.');
    const data = Buffer.from(`${head}.${body}`);
    const key = { key: this.#keys.publicKey, dsaEncoding: 'ieee-p1363' } as const;
    if (rest.length > 0 || !verify('sha256', data, key, Buffer.from(signature, 'base64url'))) return undefined;
    // What this issuer signed is what it wrote itself.
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as VerifiedToken;
    return claims;
  }
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
