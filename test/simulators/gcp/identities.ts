/** Service accounts and foreign issuers as a test holds them, with the files that a customer would give to keyproxy. */
import { type KeyObject, randomBytes } from 'node:crypto';
import { rsaPairAtOnce } from '../../support/kept-pairs.ts';
import type { Account, SimulatedCloud, WorkloadProvider } from './cloud.ts';
import { signJwt } from './jwt.ts';
import { tokenSeconds } from './tokens.ts';

const platformScope = 'https://www.googleapis.com/auth/cloud-platform';

/** A service account. */
export interface SimulatedAccount {
  readonly email: string;
  readonly project: string;
  /** Makes a key of the account; the content of the JSON file that Google gives for it, of type `service_account`. */
  keyFile(): Record<string, string>;
  /** Takes all keys of the account away, as when they are deleted. */
  deleteKeys(): void;
  /** A token without the exchange, for tests that are not about it. */
  accessToken(options?: { scopes?: readonly string[]; seconds?: number }): string;
  /** Deletes the account; its tokens are invalid from now on. */
  remove(): void;
}

/** How a workload identity pool is set up; every part has a default. */
export interface FederationOptions {
  /** The `iss` of its tokens. */
  readonly issuer?: string;
  readonly pool?: string;
  readonly provider?: string;
  /** The project that the pool belongs to. */
  readonly project?: string;
  /** What `aud` may be, beside the provider's own name. */
  readonly audience?: string;
}

/** A workload identity pool with one provider, and the foreign issuer that the provider trusts. */
export interface SimulatedFederation {
  /** `//iam.googleapis.com/projects/…/providers/…` */
  readonly audience: string;
  /** The principal of a subject, as in allow policies. */
  principal(subject: string): string;
  /** Every identity of the pool, as in allow policies. */
  readonly everyone: string;
  /** A signed token of the foreign issuer. `expiresAt` and `issuedAt` are in milliseconds since 1970. */
  subjectToken(options?: {
    subject?: string;
    audience?: string;
    issuedAt?: number;
    expiresAt?: number;
    issuer?: string;
  }): string;
  /** The content of the JSON file of type `external_account`, for a subject token in a file. */
  credentialConfig(options: { tokenFile: string; impersonate?: string }): Record<string, unknown>;
  /** Limits the subjects, as an attribute condition does; undefined lifts it. */
  allowOnly(subjects: readonly string[] | undefined): void;
  setDisabled(disabled: boolean): void;
}

/** Where the token services are. */
export interface Origins {
  readonly oauth2: string;
  readonly sts: string;
  readonly iam: string;
}

/** Makes accounts and issuers of one cloud, each with keys of its own. */
export class Identities {
  readonly #cloud: SimulatedCloud;
  readonly #origins: Origins;
  #pairs = 0;

  constructor(cloud: SimulatedCloud, origins: Origins) {
    this.#cloud = cloud;
    this.#origins = origins;
  }

  createAccount({ name, project }: { readonly name: string; readonly project: string }): SimulatedAccount {
    const cloud = this.#cloud;
    const email = `${name}@${project}.iam.gserviceaccount.com`;
    if (cloud.accounts.has(email)) throw new Error(`${email} exists already`);
    const account: Account = { email, project, keys: new Map(), impersonators: new Set() };
    cloud.accounts.set(email, account);
    return {
      email,
      project,
      keyFile: () => this.#keyFile(account),
      deleteKeys: () => account.keys.clear(),
      accessToken: ({ scopes = [platformScope], seconds = tokenSeconds } = {}) =>
        cloud.tokens.issue({ principal: email, project, scopes }, seconds).token,
      remove: () => {
        cloud.accounts.delete(email);
        if (cloud.attached === account) cloud.attached = undefined;
      },
    };
  }

  createFederation(options: FederationOptions & { readonly project: string }): SimulatedFederation {
    const { project, issuer = 'https://issuer.example.com', pool = 'keyproxy', provider = 'kubernetes' } = options;
    const poolName = `iam.googleapis.com/projects/${project}/locations/global/workloadIdentityPools/${pool}`;
    const name = `${poolName}/providers/${provider}`;
    const audience = `//${name}`;
    if (this.#cloud.providers.has(audience)) throw new Error(`${audience} exists already`);
    const { publicKey, privateKey } = rsaPairAtOnce(2048, `account-${this.#pairs++}`);
    const record: WorkloadProvider = {
      audience,
      pool: poolName,
      project,
      issuer,
      publicKey,
      allowedAudiences: options.audience === undefined ? [audience, `https:${audience}`] : [options.audience],
      allowedSubjects: undefined,
      disabled: false,
    };
    this.#cloud.providers.set(audience, record);
    return this.#view(record, privateKey);
  }

  #view(record: WorkloadProvider, privateKey: KeyObject): SimulatedFederation {
    const { sts, iam } = this.#origins;
    return {
      audience: record.audience,
      principal: (subject) => `principal://${record.pool}/subject/${subject}`,
      everyone: `principalSet://${record.pool}/*`,
      subjectToken: (given = {}) => {
        const issuedAt = given.issuedAt ?? this.#cloud.now();
        const claims = {
          iss: given.issuer ?? record.issuer,
          sub: given.subject ?? 'system:serviceaccount:apps:keyproxy',
          aud: given.audience ?? record.allowedAudiences.at(-1),
          iat: Math.floor(issuedAt / 1000),
          exp: Math.floor((given.expiresAt ?? issuedAt + 600_000) / 1000),
        };
        return signJwt(claims, privateKey, { kid: 'issuer-1' });
      },
      credentialConfig: ({ tokenFile, impersonate }) => ({
        type: 'external_account',
        audience: record.audience,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        token_url: `${sts}/v1/token`,
        credential_source: { file: tokenFile, format: { type: 'text' } },
        ...(impersonate === undefined
          ? {}
          : {
              service_account_impersonation_url: `${iam}/v1/projects/-/serviceAccounts/${impersonate}:generateAccessToken`,
            }),
      }),
      allowOnly: (subjects) => {
        record.allowedSubjects = subjects === undefined ? undefined : new Set(subjects);
      },
      setDisabled: (disabled) => {
        record.disabled = disabled;
      },
    };
  }

  #keyFile(account: Account): Record<string, string> {
    const { publicKey, privateKey } = rsaPairAtOnce(2048, `account-${this.#pairs++}`);
    const id = randomBytes(20).toString('hex');
    account.keys.set(id, publicKey);
    return {
      type: 'service_account',
      project_id: account.project,
      private_key_id: id,
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      client_email: account.email,
      client_id: '100000000000000000001',
      token_uri: `${this.#origins.oauth2}/token`,
      universe_domain: 'googleapis.com',
    };
  }
}
