/** The system's code for a failure, `ENOENT` say. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
}

const connectionCode = /^[A-Z][A-Za-z0-9_]{1,63}$/;

/** The code of a connection that failed, `ECONNRESET` say; a name of its own for what has none that is fit for a log. */
export function connectionCodeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && connectionCode.test(code) ? code : 'ConnectionFailed';
}

/** What a failure says of itself, for a log. Not where it may carry what a log must not have. */
export function textOfError(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}
