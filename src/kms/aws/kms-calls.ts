/** The calls to AWS KMS: signed with current credentials, ended in time, their failures sorted. */
import {
  DescribeKeyCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  type KeyMetadata,
  KMSClient,
} from '@aws-sdk/client-kms';
import type { Clock } from '../../base/clock.ts';
import { untilAborted } from '../../base/until-aborted.ts';
import { startDeadline } from '../deadline.ts';
import { KmsError, type KmsErrorDetails, type KmsFault } from '../fault.ts';
import type { AwsKeyConfig } from '../key-config.ts';
import { adviceForState } from './advice.ts';
import { AwsConnections, forEachRequest } from './connection.ts';
import type { AwsCredentialLease } from './credentials.ts';
import { kmsErrorFrom } from './failure.ts';
import { decryptFaults, keyStateFaults, kmsFaults } from './faults.ts';
import { maskAnswers } from './masked-answers.ts';
import type { UsedOperation } from './permissions.ts';

/** Operations for `keyproxy validate` alone. */
type InspectingOperation = 'GetKeyPolicy' | 'GetKeyRotationStatus';
/** Operations for a segregation matrix alone. */
type NamingOperation = 'ListAliases' | 'ListResourceTags';

/** The operations of AWS KMS that keyproxy uses. */
export type KmsAction = UsedOperation | InspectingOperation | NamingOperation;

/** For this long an answer about the key's state answers for all calls, in milliseconds. */
const stateHoldsMs = 1_000;
/** The question is everybody's: it ends by its own timeout, and not when one of those who wait gives up. */
const everybodys = new AbortController().signal;

/** Sends one command with the options that carry the abort signal. */
type Send<T> = (client: KMSClient, options: { readonly abortSignal: AbortSignal }) => Promise<T>;

/** What the calls to one key need. */
export interface KmsCallOptions {
  readonly clock: Clock;
  /** How long one call may take from its start to the last byte of its answer, in milliseconds. */
  readonly timeoutMs: number;
  /** Taken over: released at disposal. */
  readonly lease: AwsCredentialLease;
}

/** The calls to one key. Disposing of it closes its connections and lets go of its credentials. */
export class KmsCalls implements Disposable {
  readonly #config: AwsKeyConfig;
  readonly #options: KmsCallOptions;
  readonly #connections = new AwsConnections();
  readonly #client: KMSClient;
  /** What was asked last about the key's state, and when. */
  #stateAsked: { readonly at: number; readonly answer: Promise<string | undefined> } | undefined;

  constructor(config: AwsKeyConfig, options: KmsCallOptions) {
    this.#config = config;
    this.#options = options;
    this.#client = new KMSClient({
      ...this.#connections.settings(options.timeoutMs),
      region: config.region,
      credentials: forEachRequest(() => options.lease.credentials.held()),
      ...(config.endpoint !== undefined && { endpoint: config.endpoint }),
    });
    maskAnswers(this.#client);
  }

  /**
   * Sends a command and returns its answer. Credentials that AWS finds stale are renewed once, and the command is sent
   * once more. Throws a `KmsError` whose fault is sorted, a key in an invalid state by what DescribeKey tells of it.
   */
  async call<T>(action: KmsAction, signal: AbortSignal, send: Send<T>): Promise<T> {
    const { clock, timeoutMs } = this.#options;
    using deadline = startDeadline(clock, timeoutMs, signal);
    try {
      return await this.#withCredentials(action, deadline.signal, send);
    } catch (error) {
      throw action === 'DescribeKey' ? error : await this.#withKeyState(error, deadline.signal);
    }
  }

  /** What AWS tells about the key itself: its use, its spec, its state. Throws a `KmsError`. */
  async describeKey(signal: AbortSignal): Promise<KeyMetadata | undefined> {
    const answer = await this.call('DescribeKey', signal, (client, options) =>
      client.send(new DescribeKeyCommand({ KeyId: this.#config.keyArn }), options),
    );
    return answer.KeyMetadata;
  }

  /** The key's policy as JSON text; undefined where the answer has none. Throws a `KmsError`. */
  async readPolicy(signal: AbortSignal): Promise<string | undefined> {
    const answer = await this.call('GetKeyPolicy', signal, (client, options) =>
      client.send(new GetKeyPolicyCommand({ KeyId: this.#config.keyArn }), options),
    );
    return answer.Policy;
  }

  /** Whether AWS replaces the key's material by itself, and how often. Throws a `KmsError`. */
  async readRotation(signal: AbortSignal): Promise<{ readonly isOn: boolean; readonly days?: number }> {
    const answer = await this.call('GetKeyRotationStatus', signal, (client, options) =>
      client.send(new GetKeyRotationStatusCommand({ KeyId: this.#config.keyArn }), options),
    );
    const { KeyRotationEnabled: isOn = false, RotationPeriodInDays: days } = answer;
    return { isOn, ...(days !== undefined && { days }) };
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
    this.#connections[Symbol.dispose]();
    this.#options.lease[Symbol.dispose]();
  }

  async #withCredentials<T>(action: KmsAction, signal: AbortSignal, send: Send<T>): Promise<T> {
    const { credentials } = this.#options.lease;
    const used = await credentials.current(signal);
    try {
      return await this.#send(action, signal, send);
    } catch (error) {
      if (!(error instanceof KmsError) || error.fault.kind !== 'credentials') throw error;
      await credentials.renewUnlessFresh(used, signal);
      return await this.#send(action, signal, send);
    }
  }

  async #send<T>(action: KmsAction, signal: AbortSignal, send: Send<T>): Promise<T> {
    try {
      return await send(this.#client, { abortSignal: signal });
    } catch (error) {
      const table = action === 'Decrypt' ? decryptFaults : kmsFaults;
      throw kmsErrorFrom(error, { operation: action, table, now: this.#options.clock.now() });
    }
  }

  /** The key's state, asked for once a second at most whoever wants to know: the quota is the customer's. */
  #state(): Promise<string | undefined> {
    const now = this.#options.clock.monotonic();
    if (this.#stateAsked === undefined || now - this.#stateAsked.at >= stateHoldsMs) {
      const answer = this.describeKey(everybodys).then((key) => key?.KeyState);
      answer.catch(() => {});
      this.#stateAsked = { at: now, answer };
    }
    return this.#stateAsked.answer;
  }

  /** Replaces the fault of an invalid state by what the key's state makes of it, where that can be learned. */
  async #withKeyState(error: unknown, signal: AbortSignal): Promise<unknown> {
    if (!(error instanceof KmsError) || !isUnclearState(error.fault)) return error;
    const state = await untilAborted(this.#state(), signal).catch(() => undefined);
    const fault = state !== undefined && Object.hasOwn(keyStateFaults, state) ? keyStateFaults[state] : undefined;
    return state === undefined || fault === undefined ? error : new KmsError(fault, withStateAdvice(error, state));
  }
}

function withStateAdvice({ details }: KmsError, state: string): KmsErrorDetails {
  const { advice: _unclear, ...rest } = details;
  const advice = adviceForState[state];
  return { ...rest, ...(advice !== undefined && { advice }) };
}

function isUnclearState(fault: KmsFault): boolean {
  return fault.kind === 'ambiguous' && fault.reason === 'KEY_STATE_INVALID';
}
