/** The system's code for a failure, `ENOENT` say. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
}

/** What a failure says of itself, for a log. Not where it may carry what a log must not have. */
export function textOfError(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}
