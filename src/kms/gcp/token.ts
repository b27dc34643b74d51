/** What Google takes as proof of who asks. */

/** A token of any identity. */
export interface GcpToken {
  /** The value of the header: `Bearer` and the token. It cannot be wiped; it lives an hour at most. */
  readonly authorization: string;
  readonly expiration?: Date;
}

/** What a token is for (https://developers.google.com/identity/protocols/oauth2/scopes). */
export const tokenScopes = {
  /** To use keys, and nothing else of the cloud. */
  kms: 'https://www.googleapis.com/auth/cloudkms',
  /** To act as another service account. */
  iam: 'https://www.googleapis.com/auth/iam',
} as const;
