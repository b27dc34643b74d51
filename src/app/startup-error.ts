/** A start that failed for a reason that is not the configuration: an address in use, a socket of somebody else's. */

/** Carries one sentence for whoever started the daemon. */
export class StartupError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'StartupError';
  }
}
