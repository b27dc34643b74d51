/**
 * Whose no a 403 is. Vault has the same status for a policy that denies and for a token that it knows no longer; only
 * asking about the token tells them apart.
 */
import { KmsError } from '../fault.ts';
import type { VaultAnswer } from './answer.ts';
import type { VaultApi } from './api.ts';
import type { VaultToken } from './token.ts';

/** `unknown`: there was no answer about it. */
export type TokenVerdict = 'valid' | 'dead' | 'unknown';

/**
 * A token without the default policy may not even ask about itself. Where that turned out to be so, a new login is the
 * only way to tell, and is tried no more often than this, in milliseconds.
 */
const loginEveryMs = 60_000;

/** The questions about the tokens of one login. */
export class TokenChecks {
  readonly #api: VaultApi;
  /** When a login last was the answer to a 403 of a token that may not ask about itself. */
  #mutedSince: number | undefined;

  constructor(api: VaultApi) {
    this.#api = api;
  }

  /** What is to be thought of a token with which `denied` was answered. */
  async verdict(token: VaultToken, denied: VaultAnswer, signal: AbortSignal): Promise<TokenVerdict> {
    if (saysInvalid(denied)) return 'dead';
    const now = this.#api.clock.monotonic();
    if (this.#mutedSince !== undefined && now - this.#mutedSince < loginEveryMs) return 'valid';
    const verdict = await this.#lookUp(token, signal);
    if (verdict === 'valid') this.#mutedSince = undefined;
    return verdict;
  }

  /** Notes that a token fresh from a login was denied too: then it was no token's death, whatever a look-up says. */
  async freshDenied(token: VaultToken, signal: AbortSignal): Promise<void> {
    if ((await this.#lookUp(token, signal)) === 'dead') this.#mutedSince = this.#api.clock.monotonic();
  }

  async #lookUp(token: VaultToken, signal: AbortSignal): Promise<TokenVerdict> {
    try {
      const operation = 'lookup-self';
      using answer = await this.#api.send({ operation, method: 'GET', path: `auth/token/${operation}`, token, signal });
      if (answer.isSuccess) return 'valid';
      return answer.status === 403 ? 'dead' : 'unknown';
    } catch (error) {
      if (error instanceof KmsError) return 'unknown';
      throw error;
    }
  }
}

/** Some versions tell by themselves. */
function saysInvalid(answer: VaultAnswer): boolean {
  return answer.sentences.some((sentence) => /\b(?:invalid|bad) token\b/i.test(sentence));
}
