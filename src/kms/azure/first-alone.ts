/**
 * Lets the first request of a client of the key library pass alone. Until a client has been asked for a token once, it
 * takes the body out of one request and may give it back to another that is sent meanwhile (its
 * `keyVaultAuthenticationPolicy`): two first calls at a time could arrive empty, and look like damaged data.
 */
import { untilAborted } from '../../base/until-aborted.ts';

/** The gate of one client. */
export class FirstAlone {
  #passed = false;
  #first: Promise<void> | undefined;

  /**
   * Runs `call`, which tells `passed` once its client knows how to get tokens. Others wait for that, or for its end,
   * until `signal` is aborted; then rejects with the signal's reason.
   */
  async run<T>(signal: AbortSignal, call: (passed: () => void) => Promise<T>): Promise<T> {
    while (!this.#passed && this.#first !== undefined) await untilAborted(this.#first, signal);
    if (this.#passed) return call(() => undefined);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#first = promise;
    try {
      return await call(() => {
        this.#passed = true;
        resolve();
      });
    } finally {
      this.#first = undefined;
      resolve();
    }
  }
}
