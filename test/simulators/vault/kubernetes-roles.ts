/**
 * Kubernetes auth: the cluster's projected tokens, and the roles that take them.
 *
 * The checks and their order are those of the method's plugin: signature, issuer, audience and times first, with its
 * leeway, then the names, then what the cluster's TokenReview says, which has no leeway and no sentence of its own.
 * Source: hashicorp/vault-plugin-auth-kubernetes `path_login.go`, hashicorp/cap `jwt/jwt.go`.
 */
import { createPublicKey, type KeyObject, randomUUID, sign, verify } from 'node:crypto';
import { rsaPairAtOnce } from '../../support/kept-pairs.ts';
import { failure, refusal } from './errors.ts';
import type { TokenTerms } from './tokens.ts';

/** What a login may be late by before the method itself refuses it, in seconds. */
const expiryLeeway = 60;

export interface KubernetesRole {
  readonly name: string;
  readonly audience: string;
  /** Names, `*` for all; a name may end in `*`. */
  readonly boundNames: readonly string[];
  readonly boundNamespaces: readonly string[];
  readonly terms: TokenTerms;
}

/** The service account of a token that was taken. */
export interface ServiceAccount {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
}

/** What a projected token says. */
export interface ProjectedClaims extends ServiceAccount {
  readonly audience: readonly string[];
  readonly issuer: string;
  /** Seconds since 1970. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** Making an RSA pair takes long, so all clusters of a process share two, and tell their tokens apart by the key's id. */
const keys: { own?: KeyObject; foreign?: KeyObject } = {};

function signingKey(whose: keyof typeof keys): KeyObject {
  const key = keys[whose] ?? rsaPairAtOnce(2048, `cluster-${whose}`).privateKey;
  keys[whose] = key;
  return key;
}

/** The Kubernetes cluster whose tokens one simulator takes. */
export class Cluster {
  readonly #keyId = randomUUID();

  /** A signed projected token; `foreign` signs it with a key that is not the cluster's. */
  token(claims: ProjectedClaims, { foreign }: { foreign: boolean }): string {
    const payload = {
      aud: claims.audience,
      exp: claims.expiresAt,
      iat: claims.issuedAt,
      nbf: claims.issuedAt,
      iss: claims.issuer,
      jti: randomUUID(),
      'kubernetes.io': {
        namespace: claims.namespace,
        serviceaccount: { name: claims.name, uid: claims.uid },
      },
      sub: `system:serviceaccount:${claims.namespace}:${claims.name}`,
    };
    const text = `${part({ alg: 'RS256', kid: this.#keyId })}.${part(payload)}`;
    const signature = sign('sha256', Buffer.from(text), signingKey(foreign ? 'foreign' : 'own'));
    return `${text}.${signature.toString('base64url')}`;
  }

  /** The claims of a token that the cluster has signed; undefined for all other text. */
  read(jwt: string): ProjectedClaims | undefined {
    const [header = '', payload = '', signature = '', ...more] = jwt.split('.');
    if (more.length > 0 || header !== part({ alg: 'RS256', kid: this.#keyId })) return undefined;
    const signed = Buffer.from(`${header}.${payload}`);
    const publicKey = createPublicKey(signingKey('own'));
    if (!verify('sha256', signed, publicKey, Buffer.from(signature, 'base64url'))) return undefined;
    // What the cluster has signed, `token` has written.
    const written = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as {
      aud: string[];
      exp: number;
      iat: number;
      iss: string;
      'kubernetes.io': { namespace: string; serviceaccount: { name: string; uid: string } };
    };
    const { namespace, serviceaccount } = written['kubernetes.io'];
    const { aud: audience, exp: expiresAt, iat: issuedAt, iss: issuer } = written;
    return { audience, expiresAt, issuedAt, issuer, namespace, ...serviceaccount };
  }
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

export class KubernetesMount {
  readonly #roles = new Map<string, KubernetesRole>();
  readonly #now: () => number;
  /** The issuer that tokens must have; undefined for any, which is the method's own default. */
  readonly #issuer: string | undefined;
  readonly #cluster: Cluster;

  constructor({ now, cluster, issuer }: { now: () => number; cluster: Cluster; issuer: string | undefined }) {
    this.#now = now;
    this.#cluster = cluster;
    this.#issuer = issuer;
  }

  add(role: KubernetesRole): void {
    if (this.#roles.has(role.name)) throw new Error(`${role.name} exists already`);
    this.#roles.set(role.name, role);
  }

  remove(role: KubernetesRole): void {
    this.#roles.delete(role.name);
  }

  /** The terms that a token of the role is renewed on; throws once the role is gone. */
  termsOf(role: KubernetesRole): TokenTerms {
    if (this.#roles.get(role.name) !== role) {
      throw failure(`failed to renew entry: role "${role.name}" does not exist during renewal`);
    }
    return role.terms;
  }

  /** Checks a login; throws what the server answers. */
  logIn(given: { role: string; jwt: string }): { role: KubernetesRole; account: ServiceAccount } {
    if (given.role === '') throw refusal('missing role');
    if (given.jwt === '') throw refusal('missing jwt');
    const role = this.#roles.get(given.role);
    if (role === undefined) throw refusal(`invalid role name "${given.role}"`);
    const claims = this.#cluster.read(given.jwt);
    if (claims === undefined) throw refusal('permission denied', 403);
    this.#checkClaims(claims, role);
    if (!listed(role.boundNames, claims.name)) throw failure('service account name not authorized', 403);
    if (!listed(role.boundNamespaces, claims.namespace)) throw failure('namespace not authorized', 403);
    if (claims.expiresAt * 1000 <= this.#now()) throw refusal('permission denied', 403);
    return { role, account: { name: claims.name, namespace: claims.namespace, uid: claims.uid } };
  }

  #checkClaims(claims: ProjectedClaims, { audience }: KubernetesRole): void {
    const seconds = this.#now() / 1000;
    if (this.#issuer !== undefined && claims.issuer !== this.#issuer) throw failure('invalid issuer (iss) claim', 403);
    if (audience !== '' && !claims.audience.includes(audience)) {
      const reason = 'audience claim does not match any expected audience';
      throw failure(`invalid audience (aud) claim: ${reason}`, 403);
    }
    if (seconds + expiryLeeway < claims.issuedAt) {
      throw failure('invalid not before (nbf) claim: token not yet valid', 403);
    }
    if (seconds - expiryLeeway > claims.expiresAt) {
      throw failure('invalid expiration time (exp) claim: token is expired', 403);
    }
  }
}

function listed(patterns: readonly string[], value: string): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : pattern === value,
  );
}
