/** Requests to one Vault: its headers, its namespace, and the answers in its form. */
import type { Clock } from '../../base/clock.ts';
import { VaultAnswer } from './answer.ts';
import type { Connection, HttpAnswer } from './connection.ts';
import { foreignAnswer, silence } from './failure.ts';
import type { VaultToken } from './token.ts';

/** One request. */
export interface VaultRequest {
  /** For errors, in Vault's own name for it. */
  readonly operation: string;
  readonly method: 'GET' | 'POST';
  /** Below `/v1/`. */
  readonly path: string;
  readonly token?: VaultToken;
  /** JSON; taken over and wiped. */
  readonly body?: Buffer;
  readonly isAlone?: boolean;
  /** About the node itself, which is in no namespace. */
  readonly isOfNode?: boolean;
  readonly signal: AbortSignal;
}

/** The requests to one server and namespace. Disposing of it closes the connections. */
export class VaultApi implements Disposable {
  readonly clock: Clock;
  readonly #connection: Connection;
  readonly #namespace: string | undefined;

  /** Takes `connection` over. */
  constructor(connection: Connection, { clock, namespace }: { clock: Clock; namespace?: string | undefined }) {
    this.#connection = connection;
    this.#namespace = namespace;
    this.clock = clock;
  }

  /** Sends a request and returns what Vault answered, whatever its status. Throws a `KmsError` where it was not Vault. */
  async send(request: VaultRequest): Promise<VaultAnswer> {
    const { operation, signal } = request;
    const answer = await this.exchange(request).catch((error) => Promise.reject(silence(error, operation, signal)));
    const { status } = answer;
    const read = VaultAnswer.read(answer);
    if (read?.isVaults) return read;
    read?.[Symbol.dispose]();
    throw foreignAnswer(operation, status);
  }

  /** Sends a request and returns the bare answer. Throws `NoAnswer` or a `KmsError`. */
  exchange({ method, path, token, body, isAlone, isOfNode = false, signal }: VaultRequest): Promise<HttpAnswer> {
    return this.#connection.send({
      method,
      path: `/v1/${path}`,
      headers: {
        // A proxy in front of Vault may demand it, against requests that somebody is tricked into making.
        'X-Vault-Request': 'true',
        ...(this.#namespace !== undefined && !isOfNode && { 'X-Vault-Namespace': this.#namespace }),
        ...(token !== undefined && { 'X-Vault-Token': token.secret.reveal().toString('latin1') }),
      },
      ...(body !== undefined && { body }),
      ...(isAlone !== undefined && { isAlone }),
      signal,
    });
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}
