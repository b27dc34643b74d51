/** The transit engine's calls on one key: what goes into a request, and what an answer holds. */
import { SecretBytes } from '../../base/secret.ts';
import { decodeBase64 } from '../base64.ts';
import { KmsError } from '../fault.ts';
import { type Fields, fields, strings } from '../fields.ts';
import type { VaultKeyConfig } from '../key-config.ts';
import type { VaultAnswer } from './answer.ts';
import type { ItemOutcome } from './batches.ts';
import type { VaultCall, VaultCalls } from './calls.ts';
import { type Ciphertext, readCiphertext } from './ciphertext.ts';
import { errorOf, incompleteAnswer } from './failure.ts';
import { type CallKind, meaningOf, meaningOfItem } from './faults.ts';
import { type Item, type RequestBody, requestBody } from './request-body.ts';

/** A data key to wrap. `context` is the associated data; absent for keys that bind none. */
export interface EncryptInput {
  readonly plaintext: SecretBytes;
  readonly context?: Buffer;
}

/** What a call gave, and what Vault calls the request; items of one batch share it. */
export interface Answered<T> {
  readonly value: T;
  readonly requestId: string | undefined;
}

/** A wrapped data key, in Vault's own form. */
export interface OpenInput {
  readonly ciphertext: string;
  readonly context?: Buffer;
}

/** Bits of a data key that Vault itself makes, by its length in bytes. */
export const datakeyBits: ReadonlyMap<number, number> = new Map([16, 32, 64].map((bytes) => [bytes, 8 * bytes]));

/**
 * Where the key does not exist, encrypt makes one, of the type that the request names, if the token's policy has the
 * capability `create`; a typing error would put data under a fresh key. A type that there is not rules that out on the
 * server itself (`pathEncryptWrite` in `path_encrypt.go` of both sources reads it for a key to be made alone).
 */
const neverCreate: Item = { type: 'none' };

/** The calls on one key. */
export class Transit {
  readonly #calls: VaultCalls;
  readonly #mount: string;
  readonly #name: string;

  constructor(calls: VaultCalls, { mount, keyName }: Pick<VaultKeyConfig, 'mount' | 'keyName'>) {
    this.#calls = calls;
    this.#mount = mount;
    this.#name = keyName;
  }

  /** The path of a call on the key, below `/v1/`. */
  path(call: 'encrypt' | 'decrypt' | 'rewrap' | 'keys' | 'datakey/plaintext'): string {
    return `${this.#mount}/${call}/${this.#name}`;
  }

  /** Wraps data keys, each with an outcome of its own. */
  async encrypt(
    inputs: readonly EncryptInput[],
    signal: AbortSignal,
  ): Promise<readonly ItemOutcome<Answered<Ciphertext>>[]> {
    const items = inputs.map(({ plaintext, context }): Item => ({ plaintext: plaintext.reveal(), ...bound(context) }));
    const call = { operation: 'encrypt', kind: 'wraps', path: this.path('encrypt') } as const;
    try {
      return await this.#run(call, { items, common: neverCreate }, { read: wrappedIn, signal });
    } catch (error) {
      throw await this.#orMissing(error, signal);
    }
  }

  /** Unwraps data keys, each with an outcome of its own. */
  decrypt(inputs: readonly OpenInput[], signal: AbortSignal): Promise<readonly ItemOutcome<Answered<SecretBytes>>[]> {
    const call = { operation: 'decrypt', kind: 'opens', path: this.path('decrypt') } as const;
    return this.#eachAlone(inputs, (some) =>
      this.#run(call, { items: some.map(openItem) }, { read: plaintextIn, signal }),
    );
  }

  /** Wraps what is wrapped under the newest version; for keys that bind no associated data. */
  rewrap(inputs: readonly OpenInput[], signal: AbortSignal): Promise<readonly ItemOutcome<Answered<Ciphertext>>[]> {
    const call = { operation: 'rewrap', kind: 'opens', path: this.path('rewrap') } as const;
    return this.#eachAlone(inputs, (some) =>
      this.#run(call, { items: some.map(openItem) }, { read: wrappedIn, signal }),
    );
  }

  /** Lets Vault make a data key of one of the lengths of `datakeyBits`. */
  async datakey(bits: number, signal: AbortSignal): Promise<Answered<{ plaintext: SecretBytes; wrapped: Ciphertext }>> {
    const operation = 'datakey';
    const body = Buffer.from(JSON.stringify({ bits }));
    const path = this.path('datakey/plaintext');
    using answer = await this.#calls.call({ operation, kind: 'wraps', method: 'POST', path, body }, signal);
    const wrapped = wrappedIn(answer.data);
    const plaintext = plaintextIn(answer.data, answer);
    if (wrapped !== undefined && plaintext?.length === bits / 8) {
      return { value: { plaintext, wrapped }, requestId: answer.requestId };
    }
    plaintext?.[Symbol.dispose]();
    throw incompleteAnswer(operation, answer.requestId);
  }

  /** What Vault tells of the key. Throws a `KmsError`, for a key that there is not the fault `KEY_NOT_FOUND`. */
  async readKey(signal: AbortSignal): Promise<Fields> {
    const operation = 'read-key';
    const call = { operation, kind: 'reads', method: 'GET', path: this.path('keys') } as const;
    try {
      using answer = await this.#calls.call(call, signal);
      return answer.data;
    } catch (error) {
      // A read that finds nothing is a 404 without any sentence; a path that is not there comes with one.
      if (!(error instanceof KmsError) || error.details.providerCode !== 'HTTP 404') throw error;
      throw errorOf(meaningOf('reads', 400, ['encryption key not found']), operation, error.details.requestId);
    }
  }

  /** What the token may do at each of some paths, by path. Throws a `KmsError`. */
  async capabilities(paths: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, readonly string[]>> {
    const operation = 'capabilities-self';
    const body = Buffer.from(JSON.stringify({ paths }));
    const path = `sys/${operation}`;
    using answer = await this.#calls.call({ operation, kind: 'reads', method: 'POST', path, body }, signal);
    const { data } = answer;
    return new Map(paths.map((asked) => [asked, strings(data[asked])]));
  }

  /**
   * A missing key whose making the policy forbids is answered like any other forbidden thing. A token that may encrypt,
   * and yet may not, was asked to make the key.
   */
  async #orMissing(error: unknown, signal: AbortSignal): Promise<unknown> {
    if (!(error instanceof KmsError) || error.fault.kind !== 'refusal') return error;
    if (error.fault.reason !== 'KEY_ACCESS_DENIED') return error;
    const path = this.path('encrypt');
    const may = await this.capabilities([path], signal).catch(() => undefined);
    if (!may?.get(path)?.includes('update')) return error;
    return errorOf(meaningOf('wraps', 400, ['encryption key not found']), 'encrypt', error.details.requestId);
  }

  /**
   * Sends items, alone or as a batch. A failure of the data of one item can still be a failure of its batch (rewrap
   * under an RSA key, with status 500): then each is sent by itself, so that none suffers for another.
   */
  async #eachAlone<In, Out>(
    inputs: readonly In[],
    send: (inputs: readonly In[]) => Promise<readonly ItemOutcome<Out>[]>,
  ): Promise<readonly ItemOutcome<Out>[]> {
    try {
      return await send(inputs);
    } catch (error) {
      const isData = error instanceof KmsError && error.fault.kind === 'data';
      if (isData && inputs.length === 1) return [{ kind: 'failed', error }];
      if (!isData) throw error;
      const outcomes: ItemOutcome<Out>[] = [];
      for (const input of inputs) outcomes.push(...(await this.#eachAlone([input], send)));
      return outcomes;
    }
  }

  async #run<Out>(
    call: Omit<VaultCall, 'method' | 'body'>,
    request: RequestBody,
    { read, signal }: { read: (result: Fields, answer: VaultAnswer) => Out | undefined; signal: AbortSignal },
  ): Promise<readonly ItemOutcome<Answered<Out>>[]> {
    const body = requestBody(request);
    try {
      using answer = await this.#calls.call({ ...call, method: 'POST', body }, signal);
      const results = request.items.length === 1 ? [answer.data] : resultsOf(answer, request.items.length);
      if (results === undefined) throw incompleteAnswer(call.operation, answer.requestId);
      return results.map((result) => outcomeOf(result, { call, answer, read }));
    } finally {
      body.fill(0);
    }
  }
}

function openItem({ ciphertext, context }: OpenInput): Item {
  return { ciphertext, ...bound(context) };
}

/** An empty context is none: Vault knows no difference. */
function bound(context: Buffer | undefined): Item {
  return context === undefined || context.length === 0 ? {} : { associated_data: context };
}

function resultsOf(answer: VaultAnswer, count: number): readonly Fields[] | undefined {
  const results = answer.data['batch_results'];
  return Array.isArray(results) && results.length === count ? results.map(fields) : undefined;
}

/** The outcome of one result. Where it has an error, nothing else in it counts. */
function outcomeOf<Out>(
  result: Fields,
  {
    call,
    answer,
    read,
  }: {
    call: { readonly operation: string; readonly kind: CallKind };
    answer: VaultAnswer;
    read: (result: Fields, answer: VaultAnswer) => Out | undefined;
  },
): ItemOutcome<Answered<Out>> {
  const { error: sentence } = result;
  if (typeof sentence === 'string' && sentence !== '') {
    return { kind: 'failed', error: errorOf(meaningOfItem(call.kind, sentence), call.operation, answer.requestId) };
  }
  const value = read(result, answer);
  if (value === undefined) return { kind: 'failed', error: incompleteAnswer(call.operation, answer.requestId) };
  return { kind: 'done', value: { value, requestId: answer.requestId } };
}

function wrappedIn({ ciphertext }: Fields): Ciphertext | undefined {
  return typeof ciphertext === 'string' ? readCiphertext(ciphertext) : undefined;
}

function plaintextIn({ plaintext }: Fields, answer: VaultAnswer): SecretBytes | undefined {
  using text = answer.take(plaintext);
  const bytes = text && decodeBase64(text.reveal());
  return bytes && SecretBytes.adopt(bytes);
}
