/** The calls to Cloud KMS: with a current token, ended in time, their failures sorted. */
import type { KeyManagementServiceClient } from '@google-cloud/kms';
import type { Clock } from '../../base/clock.ts';
import { untilAborted } from '../../base/until-aborted.ts';
import { startDeadline } from '../deadline.ts';
import { gaveUp, KmsError } from '../fault.ts';
import type { RenewingCredentials } from '../renewing.ts';
import type { Lease } from '../shared.ts';
import { AnswerWatch } from './answer-watch.ts';
import {
  type CallSubject,
  GcpKmsError,
  type KmsAction,
  kmsErrorFrom,
  operationName,
  withVersionState,
} from './failure.ts';
import type { KmsMessages } from './messages.ts';
import { versionName, versionOf } from './names.ts';
import type { GcpToken } from './token.ts';

/** What the calls to one key need. */
export interface KmsCallOptions {
  readonly clock: Clock;
  /** How long one call may take from its start to its whole answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Both taken over: released at disposal. */
  readonly client: Lease<KeyManagementServiceClient>;
  readonly tokens: Lease<RenewingCredentials<GcpToken>>;
}

/** What a call is about beside its request. */
export interface CallAbout {
  readonly signal: AbortSignal;
  /** The number of the version that is asked for, where the request names one. */
  readonly version?: string;
}

/** How much later than ours google-gax's own time limit is, in milliseconds: it is a backstop. */
const backstopMs = 1_000;

/** The calls to one key. Disposing of it lets go of its client and its tokens. */
export class KmsCalls implements Disposable {
  readonly keyName: string;
  /** The number of the version that new data keys go under, once it is known. Tells how far a refusal reaches. */
  currentVersion: string | undefined;
  readonly #options: KmsCallOptions;
  #answers = 0;

  constructor(keyName: string, options: KmsCallOptions) {
    this.keyName = keyName;
    this.#options = options;
  }

  /** How many calls Cloud KMS has answered with success. */
  get answers(): number {
    return this.#answers;
  }

  /**
   * Makes one call and returns its answer. A token that Google finds stale is renewed once, and the call is made once
   * more. Throws a `KmsError` whose fault is sorted, a version that may not be used by its state.
   */
  async call<A extends KmsAction>(
    action: A,
    request: KmsMessages[A][0],
    { signal, version }: CallAbout,
  ): Promise<KmsMessages[A][1]> {
    const { clock, timeoutMs } = this.#options;
    using deadline = startDeadline(clock, timeoutMs, signal);
    const subject = this.#subject(action, version);
    try {
      return await this.#withToken(subject, request, deadline.signal);
    } catch (error) {
      throw await this.#withState(error, subject, deadline.signal);
    }
  }

  /** The number of the primary version of a symmetric key; undefined where it has none. Throws a `KmsError`. */
  async primary(signal: AbortSignal): Promise<string | undefined> {
    const key = await this.call('getCryptoKey', { name: this.keyName }, { signal });
    return versionOf(this.keyName, key.primary?.name);
  }

  [Symbol.dispose](): void {
    this.#options.client[Symbol.dispose]();
    this.#options.tokens[Symbol.dispose]();
  }

  #subject<A extends KmsAction>(action: A, version: string | undefined): CallSubject & { readonly action: A } {
    const current = this.currentVersion;
    return {
      action,
      keyName: this.keyName,
      ...(version !== undefined && { version }),
      ...(current !== undefined && { current }),
    };
  }

  async #withToken<A extends KmsAction>(
    subject: CallSubject & { readonly action: A },
    request: KmsMessages[A][0],
    signal: AbortSignal,
  ): Promise<KmsMessages[A][1]> {
    const tokens = this.#options.tokens.value;
    const used = await tokens.current(signal);
    try {
      return await this.#send(subject, request, { token: used, signal });
    } catch (error) {
      if (!(error instanceof KmsError) || error.fault.kind !== 'credentials') throw error;
      const token = await tokens.renewUnlessFresh(used, signal);
      if (token === used) throw error;
      return await this.#send(subject, request, { token, signal });
    }
  }

  /**
   * Calls what lies under the client's own method, which does three things that must not be: it writes request and
   * answer, plaintext included, to a log where an environment variable says so; it returns a promise that cannot be
   * cancelled; and it parses all of its message definitions anew for each error with details.
   */
  async #send<A extends KmsAction>(
    subject: CallSubject & { readonly action: A },
    request: KmsMessages[A][0],
    { token, signal }: { readonly token: GcpToken; readonly signal: AbortSignal },
  ): Promise<KmsMessages[A][1]> {
    const operation = operationName(subject.action);
    if (signal.aborted) throw gaveUp({ provider: 'gcp_kms', operation }, signal.reason);
    const watch = new AnswerWatch();
    try {
      const call = await this.#inner(subject.action);
      const pending = call(request, {
        timeout: this.#options.timeoutMs + backstopMs,
        retry: null,
        autoPaginate: false,
        otherArgs: { headers: headersOf(request, token), options: { interceptors: [watch.interceptor] } },
      });
      const cancel = () => pending.cancel();
      signal.addEventListener('abort', cancel, { once: true });
      const answer = await untilAborted(pending, signal).finally(() => signal.removeEventListener('abort', cancel));
      const whole = answerOf(subject.action, answer);
      this.#answers++;
      return whole;
    } catch (error) {
      if (signal.aborted) throw gaveUp({ provider: 'gcp_kms', operation }, signal.reason);
      throw kmsErrorFrom(error, subject, watch.isFromService);
    }
  }

  async #inner(action: KmsAction): Promise<InnerCall> {
    const client = this.#options.client.value;
    const owner = action === 'testIamPermissions' ? client.iamClient : client;
    await owner.initialize();
    const call: unknown = owner.innerApiCalls[action];
    if (typeof call !== 'function') throw new TypeError(`the client has no method ${action}`);
    return call as InnerCall;
  }

  /** Where only the version's state tells what a failure means, asks for it. */
  async #withState(error: unknown, subject: CallSubject, signal: AbortSignal): Promise<unknown> {
    if (!(error instanceof GcpKmsError) || !isUnclearState(error) || isReading(subject.action)) return error;
    const version = error.version ?? (await this.primary(signal).catch(() => undefined));
    if (version === undefined) return error;
    const request = { name: versionName(this.keyName, version) };
    const state = await this.#withToken(this.#subject('getCryptoKeyVersion', version), request, signal).then(
      (answer) => answer.state,
      () => undefined,
    );
    return state === undefined || state === null
      ? error
      : withVersionState(error, String(state), { ...subject, version });
  }
}

interface Pending extends Promise<unknown> {
  cancel(): void;
}

type InnerCall = (request: object, options: object) => Pending;

/** The routing header is what the client's own method would add (https://google.aip.dev/client-libraries/4222). */
function headersOf(request: object, { authorization }: GcpToken): Record<string, string> {
  const [field, value] = Object.entries(request).find(([name]) => routingFields.includes(name)) ?? [];
  return { authorization, 'x-goog-request-params': `${field}=${encodeURIComponent(String(value))}` };
}

const routingFields = ['name', 'parent', 'resource'];

/** google-gax answers with [answer, next request, raw answer], a list with [items, next request, raw answer]. */
function answerOf<A extends KmsAction>(action: A, answer: unknown): KmsMessages[A][1] {
  const parts = Array.isArray(answer) ? answer : [];
  const whole: unknown = action === 'listCryptoKeyVersions' ? parts[2] : parts[0];
  if (typeof whole !== 'object' || whole === null) throw new TypeError('the client gave no answer');
  // Decoded by the message's own definition, so it is the message of this action.
  return whole as KmsMessages[A][1];
}

function isUnclearState({ fault }: KmsError): boolean {
  return fault.kind === 'ambiguous' && fault.reason === 'KEY_STATE_INVALID';
}

function isReading(action: KmsAction): boolean {
  return action.startsWith('get') || action.startsWith('list') || action === 'testIamPermissions';
}
