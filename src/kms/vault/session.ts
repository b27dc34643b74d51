/**
 * Being logged in to one Vault in one way: the token, its renewal, and what is known of its being alive.
 *
 * A renewable token is lengthened until Vault gives less than was asked for, which is its maximum coming near; then,
 * and for tokens of any other kind, keyproxy logs in again.
 */
import { startDeadline } from '../deadline.ts';
import { KmsError } from '../fault.ts';
import type { VaultAuth } from '../key-config.ts';
import { RenewingCredentials } from '../renewing.ts';
import type { VaultAnswer } from './answer.ts';
import type { VaultApi } from './api.ts';
import { NoAnswer } from './connection.ts';
import { errorFromAnswer, incompleteAnswer } from './failure.ts';
import { type LoginEnd, LoginPacing } from './login-pacing.ts';
import { type LoginRequest, loginRequest } from './login-request.ts';
import { tokenOf, type VaultToken } from './token.ts';

/** What a login needs. */
export interface SessionOptions {
  /** In [0, 1). */
  readonly random: () => number;
  /** How long one request may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** Given less than this part of what was asked for, a token is near the end of all renewal. */
const fullGrant = 0.9;
/** The farewell is a courtesy: it holds nobody up for longer, in milliseconds. */
const farewellMs = 1_000;

/** One login and its token. Disposing of it revokes and wipes the token. */
export class VaultSession implements AsyncDisposable {
  readonly credentials: RenewingCredentials<VaultToken>;
  readonly #api: VaultApi;
  readonly #auth: VaultAuth;
  readonly #options: SessionOptions;
  readonly #pacing: LoginPacing;
  /** Tokens that Vault knows no longer, whatever they say of their end. */
  readonly #dead = new WeakSet<VaultToken>();
  #token: VaultToken | undefined;
  #previous: VaultToken | undefined;
  #closed = false;

  constructor(api: VaultApi, auth: VaultAuth, options: SessionOptions) {
    const { random, timeoutMs } = options;
    this.#api = api;
    this.#auth = auth;
    this.#options = options;
    this.#pacing = new LoginPacing(api.clock, random);
    this.credentials = new RenewingCredentials<VaultToken>({
      provider: 'vault',
      clock: api.clock,
      random,
      // A renewal and a login, each with an end of its own, and the file between them.
      timeoutMs: 2 * timeoutMs + 1_000,
      fetch: (held) => this.#fetch(held),
    });
  }

  /** Replaces a token that Vault knows no longer. Throws a `KmsError`. */
  replace(token: VaultToken, signal: AbortSignal): Promise<VaultToken> {
    this.#dead.add(token);
    return this.credentials.renew(token, signal);
  }

  /** Ends the session, and tells Vault so that the token does not outlive it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.credentials[Symbol.dispose]();
    if (this.#token !== undefined) await this.#revoke(this.#token);
    this.#token?.secret[Symbol.dispose]();
    this.#previous?.secret[Symbol.dispose]();
  }

  async #fetch(held: VaultToken | undefined): Promise<VaultToken> {
    const token = await this.#renewOrLogin(held);
    if (this.#closed) {
      await this.#revoke(token);
      token.secret[Symbol.dispose]();
      return token;
    }
    // The one before the last is in no request any more: none waits that long between taking it and sending it.
    this.#previous?.secret[Symbol.dispose]();
    this.#previous = this.#token;
    this.#token = token;
    return token;
  }

  async #renewOrLogin(held: VaultToken | undefined): Promise<VaultToken> {
    if (held === undefined || !this.#isRenewable(held)) return this.#login();
    const renewed = await this.#renewSelf(held);
    if (renewed === undefined) return this.#login();
    if (renewed.leaseSeconds >= fullGrant * held.leaseSeconds) return renewed;
    return this.#loginOr(renewed);
  }

  #isRenewable(token: VaultToken): boolean {
    if (!token.isRenewable || token.expiration === undefined || this.#dead.has(token)) return false;
    return token.expiration.getTime() > this.#api.clock.now();
  }

  /** Logs in while there is time; where that gets no answer, `token` is good for a while yet. */
  async #loginOr(token: VaultToken): Promise<VaultToken> {
    try {
      const fresh = await this.#login();
      token.secret[Symbol.dispose]();
      return fresh;
    } catch (error) {
      if (error instanceof KmsError && error.fault.kind === 'outage') return { ...token, isRenewable: false };
      token.secret[Symbol.dispose]();
      throw error;
    }
  }

  /** The token with a longer life; undefined where Vault will not have it. Throws a `KmsError` without an answer. */
  async #renewSelf(held: VaultToken): Promise<VaultToken | undefined> {
    const operation = 'renew-self';
    using answer = await this.#ask({
      operation,
      path: 'auth/token/renew-self',
      token: held,
      body: Buffer.from(JSON.stringify({ increment: `${held.leaseSeconds}s` })),
    });
    if (answer.isSuccess) return tokenOf(answer, this.#api.clock.now());
    if (answer.status >= 400 && answer.status < 500 && answer.status !== 412 && answer.status !== 429) return undefined;
    throw errorFromAnswer(answer, { operation, kind: 'reads', now: this.#api.clock.now() });
  }

  async #login(): Promise<VaultToken> {
    const request = await loginRequest(this.#auth);
    const hold = this.#pacing.holds(request.proof);
    if (hold !== undefined) {
      request.body.fill(0);
      throw hold;
    }
    try {
      const token = await this.#sendLogin(request);
      this.#pacing.succeeded();
      return token;
    } catch (error) {
      if (error instanceof LoginFailure) {
        this.#pacing.failed(error.end, request.proof, error.error);
        throw error.error;
      }
      throw error;
    }
  }

  async #sendLogin({ path, body }: LoginRequest): Promise<VaultToken> {
    const operation = 'login';
    const { clock } = this.#api;
    const asked = this.#ask({ operation, path, body, isAlone: true });
    using answer = await asked.catch((error) => Promise.reject(failedWithout(error)));
    if (!answer.isSuccess) {
      const error = errorFromAnswer(answer, { operation, kind: 'login', now: clock.now() });
      throw new LoginFailure(endOf(error, answer), error);
    }
    const token = tokenOf(answer, clock.now());
    if (token === undefined) throw new LoginFailure('unclear', incompleteAnswer(operation, answer.requestId));
    return token;
  }

  async #revoke(token: VaultToken): Promise<void> {
    if (token.expiration !== undefined && token.expiration.getTime() <= this.#api.clock.now()) return;
    using deadline = startDeadline(this.#api.clock, Math.min(farewellMs, this.#options.timeoutMs));
    const { signal } = deadline;
    const asked = { operation: 'revoke-self', method: 'POST', path: 'auth/token/revoke-self', token, signal } as const;
    const answer = await this.#api.send(asked).catch(() => undefined);
    answer?.[Symbol.dispose]();
  }

  async #ask(request: {
    operation: string;
    path: string;
    token?: VaultToken;
    body: Buffer;
    isAlone?: boolean;
  }): Promise<VaultAnswer> {
    using deadline = startDeadline(this.#api.clock, this.#options.timeoutMs);
    return await this.#api.send({ ...request, method: 'POST', signal: deadline.signal });
  }
}

/** A login that failed, with what that says of the secret id. Does not leave this file. */
class LoginFailure extends Error {
  readonly end: LoginEnd;
  readonly error: KmsError;

  constructor(end: LoginEnd, error: KmsError) {
    super('login failed');
    this.end = end;
    this.error = error;
  }
}

/** An answer that no login method made: a node that is sealed or a standby, a quota that is used up. */
const unlooked: readonly number[] = [301, 302, 303, 307, 308, 404, 405, 412, 429, 472, 473, 501, 503];

function endOf({ fault }: KmsError, { status }: VaultAnswer): LoginEnd {
  if (fault.kind === 'refusal') return 'refused';
  return unlooked.includes(status) ? 'unspent' : 'unclear';
}

function failedWithout(error: unknown): unknown {
  if (!(error instanceof KmsError)) return error;
  const { cause, fault } = error;
  const isUnsent = fault.kind === 'config' || (cause instanceof NoAnswer && !cause.mayHaveArrived);
  return new LoginFailure(isUnsent ? 'unspent' : 'unclear', error);
}
