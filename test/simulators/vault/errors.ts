/**
 * The answers that refuse, in the server's own words.
 *
 * A backend may answer with an error response, whose text is sent as it is, or fail with an error, which the core packs
 * into a list of one before it is sent (`1 error occurred:`), except while a client logs in. Clients see both forms, so
 * both are kept. Source: OpenBao `sdk/logical/response_util.go`, `vault/request_handling.go`.
 */

/** How the text of an error came to be. */
export type ErrorForm = 'response' | 'failure';

/** An answer with a status of 400 and above; its text is made of names and numbers, never of a request's secrets. */
export class VaultError extends Error {
  readonly status: number;
  readonly form: ErrorForm;

  constructor(status: number, text: string, form: ErrorForm) {
    super(text);
    this.status = status;
    this.form = form;
  }

  /** The entries of `errors`: none where the server says nothing but the status. */
  errors(login: boolean): readonly string[] {
    if (this.message === '') return [];
    return [this.form === 'failure' && !login ? packed(this.message) : this.message];
  }
}

/** An error response of a backend; 400 unless told otherwise. */
export function refusal(text: string, status = 400): VaultError {
  return new VaultError(status, text, 'response');
}

/** An error of a backend; 500 unless its kind has a status of its own. */
export function failure(text: string, status = 500): VaultError {
  return new VaultError(status, text, 'failure');
}

/** A list of one error, as Go's multierror prints it. */
export function packed(...texts: readonly string[]): string {
  const count = texts.length === 1 ? '1 error' : `${texts.length} errors`;
  return `${count} occurred:\n\t* ${texts.join('\n\t* ')}\n\n`;
}

/** The refusals that several parts share. */
export const refusals = {
  /** The token's policies do not allow the request. */
  denied: () => refusal(packed('permission denied'), 403),
  /** A path that its mount does not have. */
  unsupportedPath: () => failure('unsupported path', 404),
  /** A method that the path does not have. */
  unsupportedOperation: () => failure('unsupported operation', 405),
  /** A read that found nothing: no text at all. */
  nothing: () => refusal('', 404),
  keyNotFound: () => refusal('encryption key not found'),
  sealed: () => refusal('Vault is sealed', 503),
} as const;

/** The text that a rate-limit quota answers with, and 429. */
export function quotaExceeded(path: string): VaultError {
  return refusal(`request path ${JSON.stringify(path)}: rate limit quota exceeded`, 429);
}
