/** The directory's content: tenants, applications with their credentials, and the issuers whose tokens they accept. */
import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { makeSigningKey, type SigningKey, signJwt } from './jwt.ts';

/** Which tokens of others an application accepts in place of a secret: all three have to match, letter by letter. */
export interface FederatedCredential {
  readonly issuer: string;
  readonly subject: string;
  readonly audience: string;
}

/** An application registration and its service principal, in the one tenant that both live in. */
export interface ApplicationRecord {
  readonly clientId: string;
  readonly objectId: string;
  readonly tenant: string;
  readonly kind: 'application' | 'managed-identity';
  readonly federated: FederatedCredential[];
  /** SHA-256 of the secret; absent where there is none. */
  secretDigest?: Buffer;
  secretState: 'valid' | 'expired';
  enabled: boolean;
  /** Whether a Conditional Access policy for workload identities stands in its way. */
  blocked: boolean;
}

export interface Tenant {
  /** 8-4-4-4-12 hexadecimal digits. */
  readonly id: string;
  /** Domain names that stand for it. */
  readonly domains: readonly string[];
}

export interface ServiceAccountTokenOptions {
  readonly issuer: string;
  readonly subject: string;
  readonly audience: string;
  /** From now on; an hour unless given, and negative for a token that has expired. */
  readonly expiresInSeconds?: number;
  /** A stranger signs with a key that the issuer does not publish. */
  readonly signedBy?: 'issuer' | 'stranger';
}

export class Directory {
  readonly tenants: Tenant[] = [];
  readonly #applications = new Map<string, ApplicationRecord>();
  readonly #issuers = new Map<string, Promise<SigningKey>>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Finds a tenant by its id or one of its domains. */
  tenant(name: string): Tenant | undefined {
    const wanted = name.toLowerCase();
    return this.tenants.find(({ id, domains }) => id === wanted || domains.includes(wanted));
  }

  /** Adds a tenant unless it is there. */
  addTenant(tenant: Tenant): void {
    if (this.tenant(tenant.id) === undefined) this.tenants.push(tenant);
  }

  addApplication(options: {
    readonly tenant: string;
    readonly kind: ApplicationRecord['kind'];
    readonly clientId?: string;
  }): ApplicationRecord {
    const { tenant, kind } = options;
    const clientId = options.clientId?.toLowerCase() ?? randomUUID();
    if (this.#applications.has(clientId)) throw new Error(`${clientId} exists already`);
    const record: ApplicationRecord = {
      clientId,
      objectId: randomUUID(),
      tenant,
      kind,
      federated: [],
      secretState: 'valid',
      enabled: true,
      blocked: false,
    };
    this.#applications.set(clientId, record);
    return record;
  }

  /** The application of that id in that tenant; ids are compared as Entra does, whatever their case. */
  application(clientId: string, tenant: string): ApplicationRecord | undefined {
    const record = this.#applications.get(clientId.toLowerCase());
    return record?.tenant === tenant ? record : undefined;
  }

  /** Adds a federated credential; throws for an application that does not exist. */
  federate(clientId: string, credential: FederatedCredential): void {
    const record = this.#applications.get(clientId);
    if (record === undefined) throw new Error(`there is no application ${clientId}`);
    record.federated.push(credential);
  }

  /** Whether the service principal may act at all. */
  isEnabled(clientId: string): boolean {
    return this.#applications.get(clientId)?.enabled ?? false;
  }

  removeApplication(clientId: string): void {
    this.#applications.delete(clientId);
  }

  /** The key that an issuer publishes at its `jwks_uri`; undefined for an issuer that does not exist. */
  issuerKey(issuer: string): Promise<SigningKey> | undefined {
    return this.#issuers.get(issuer);
  }

  /** Signs a token as a cluster does for a service account; an issuer comes into being with its first token. */
  async mintServiceAccountToken(options: ServiceAccountTokenOptions): Promise<string> {
    const { issuer, subject, audience, expiresInSeconds = 3600, signedBy = 'issuer' } = options;
    const known = this.#issuers.get(issuer) ?? makeSigningKey();
    this.#issuers.set(issuer, known);
    const iat = Math.floor(this.#now() / 1000);
    const exp = iat + expiresInSeconds;
    const claims = {
      iss: issuer,
      sub: subject,
      aud: [audience],
      iat: Math.min(iat, exp) - 1,
      nbf: Math.min(iat, exp) - 1,
    };
    const published = await known;
    const key = signedBy === 'issuer' ? published : { ...(await makeSigningKey()), kid: published.kid };
    return signJwt({ ...claims, exp, jti: randomUUID() }, key);
  }
}

/** Gives an application a secret, a new one unless one is given, and returns it. */
export function setSecret(application: ApplicationRecord, secret = randomBytes(30).toString('base64url')): string {
  application.secretDigest = digest(secret);
  application.secretState = 'valid';
  return secret;
}

/** Whether this is the application's secret. */
export function isSecret(application: ApplicationRecord, presented: string): boolean {
  return application.secretDigest !== undefined && timingSafeEqual(application.secretDigest, digest(presented));
}

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret, 'utf8').digest();
}
