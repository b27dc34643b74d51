/**
 * One answer of Vault's, read: its fields, its sentences, and the secrets in it, which the answer owns until somebody
 * takes them.
 */
import { SecretBytes } from '../../base/secret.ts';
import { type Fields, fields, strings } from '../fields.ts';
import { parseMasked } from '../masked-json.ts';
import { requestIdOf } from '../provider-note.ts';
import type { HttpAnswer } from './connection.ts';

/** Names whose values are secrets, wherever they stand in an answer. */
const secretNames: ReadonlySet<string> = new Set(['plaintext', 'client_token']);

/** Disposing of it wipes the secrets that nobody took. */
export class VaultAnswer implements Disposable {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly requestId: string | undefined;
  /** What Vault says went wrong. Never to be kept. */
  readonly sentences: readonly string[];
  readonly data: Fields;
  readonly auth: Fields;
  /** All of it, for answers of another form. */
  readonly all: Fields;
  readonly #secrets: (Buffer | undefined)[];

  private constructor(answer: HttpAnswer, all: Fields, secrets: readonly Buffer[]) {
    this.status = answer.status;
    this.retryAfter = answer.retryAfter;
    this.all = all;
    this.data = fields(all['data']);
    this.auth = fields(all['auth']);
    this.sentences = strings(all['errors']);
    this.requestId = requestIdOf(all['request_id']);
    this.#secrets = [...secrets];
  }

  /** Reads an answer and wipes its body. Returns undefined for one that is not Vault's: a proxy's page, a cut body. */
  static read(answer: HttpAnswer): VaultAnswer | undefined {
    try {
      if (answer.body.length === 0) return answer.status === 204 ? new VaultAnswer(answer, {}, []) : undefined;
      const masked = parseMasked(answer.body, secretNames);
      if (masked === undefined) return undefined;
      return new VaultAnswer(answer, fields(masked.value), masked.secrets);
    } finally {
      answer.body.fill(0);
    }
  }

  /** Whether it is in the form of Vault's answers: a gateway in between may speak JSON too. */
  get isVaults(): boolean {
    const errors = this.all['errors'];
    const isOfErrors = Array.isArray(errors) && errors.every((error) => typeof error === 'string');
    return this.status === 204 || 'request_id' in this.all || isOfErrors;
  }

  /** Whether it did what it was asked. */
  get isSuccess(): boolean {
    return this.status === 200 || this.status === 204;
  }

  /**
   * The secret that stands in a field, as the text that it was sent as; whoever takes it owns it. Undefined where the
   * field holds none, or it has been taken.
   */
  take(field: unknown): SecretBytes | undefined {
    if (typeof field !== 'string' || field === '') return undefined;
    const number = Number.parseInt(field, 10);
    const secret = this.#secrets[number];
    this.#secrets[number] = undefined;
    return secret && SecretBytes.adopt(secret);
  }

  [Symbol.dispose](): void {
    for (const secret of this.#secrets) secret?.fill(0);
    this.#secrets.length = 0;
  }
}
