/** Calls with a token: sent with the current one, ended in time, their failures sorted. */
import { ownBytes } from '../../base/bytes.ts';
import type { KmsError } from '../fault.ts';
import type { VaultAnswer } from './answer.ts';
import type { LoggedIn } from './credentials.ts';
import { errorFromAnswer, errorOf, silence } from './failure.ts';
import { type CallKind, deniedBy } from './faults.ts';
import type { VaultToken } from './token.ts';

/** One call, sorted by its `kind` where it fails. */
export interface VaultCall {
  /** For errors, in Vault's own name for it. */
  readonly operation: string;
  readonly kind: CallKind;
  readonly method: 'GET' | 'POST';
  /** Below `/v1/`. */
  readonly path: string;
  /** JSON; stays the caller's, each attempt sends a copy. */
  readonly body?: Buffer;
}

const forbidden = 403;

/** The calls of one login. */
export class VaultCalls {
  readonly #vault: LoggedIn;

  constructor(vault: LoggedIn) {
    this.#vault = vault;
  }

  /**
   * Makes a call. Returns an answer with what was asked for: success, or the results of a batch, whatever the status
   * that goes with them. A token that Vault knows no longer is replaced once. Throws a `KmsError`.
   */
  async call(call: VaultCall, signal: AbortSignal): Promise<VaultAnswer> {
    try {
      return await this.#withToken(call, signal);
    } catch (thrown) {
      const error = silence(thrown, call.operation, signal);
      throw await this.#vault.health.explain(error, signal);
    }
  }

  async #withToken(call: VaultCall, signal: AbortSignal): Promise<VaultAnswer> {
    const { session, checks } = this.#vault;
    const token = await session.credentials.current(signal);
    const answer = await this.#send(call, token, signal);
    if (answer.status !== forbidden) return this.#expectResult(call, answer);
    using denied = answer;
    const verdict = await checks.verdict(token, denied, signal);
    if (verdict === 'valid') throw errorOf(deniedBy(call.kind), call.operation, denied.requestId);
    if (verdict === 'unknown') throw this.#unclear(call, denied);
    const fresh = await session.replace(token, signal);
    return this.#expectResult(call, await this.#sendOnceMore(call, fresh, signal));
  }

  /** With a token fresh from a login. What is denied now is denied by the policy. */
  async #sendOnceMore(call: VaultCall, token: VaultToken, signal: AbortSignal): Promise<VaultAnswer> {
    const answer = await this.#send(call, token, signal);
    if (answer.status !== forbidden) return answer;
    using denied = answer;
    await this.#vault.checks.freshDenied(token, signal);
    throw errorOf(deniedBy(call.kind), call.operation, denied.requestId);
  }

  #send({ operation, method, path, body }: VaultCall, token: VaultToken, signal: AbortSignal): Promise<VaultAnswer> {
    const copy = body && ownBytes(body.length);
    copy?.set(body ?? []);
    return this.#vault.api.send({ operation, method, path, token, ...(copy && { body: copy }), signal });
  }

  #expectResult({ operation, kind }: VaultCall, answer: VaultAnswer): VaultAnswer {
    if (answer.isSuccess || Array.isArray(answer.data['batch_results'])) return answer;
    using failed = answer;
    throw errorFromAnswer(failed, { operation, kind, now: this.#vault.api.clock.now() });
  }

  /** A no that may be the policy's or a dead token's, while nobody could say which. */
  #unclear({ operation }: VaultCall, denied: VaultAnswer): KmsError {
    const fault = { kind: 'ambiguous', reason: 'KEY_ACCESS_DENIED' } as const;
    return errorOf({ code: 'PermissionDenied', fault }, operation, denied.requestId);
  }
}
