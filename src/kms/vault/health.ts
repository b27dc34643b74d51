/**
 * Why a Vault does not serve: `sys/health` tells a sealed node from a standby and from one that is just not well. It
 * only makes a better sentence; whether something is an outage never depends on it.
 */
import { untilAborted } from '../../base/until-aborted.ts';
import { startDeadline } from '../deadline.ts';
import { KmsError } from '../fault.ts';
import { type Fields, fields } from '../fields.ts';
import type { VaultApi } from './api.ts';

interface Condition {
  readonly code: string;
  readonly advice: string;
}

/** How long the question may take, and how long its answer is good for, in milliseconds. */
const [patienceMs, goodForMs] = [500, 1_000];

/** Conditions in the order in which they explain a silence. */
const conditions: readonly { readonly is: (health: Fields) => boolean; readonly condition: Condition }[] = [
  {
    is: ({ initialized }) => initialized === false,
    condition: { code: 'NotInitialized', advice: 'initialise this Vault' },
  },
  {
    is: ({ sealed }) => sealed === true,
    condition: { code: 'Sealed', advice: 'unseal this Vault, or name the address of a cluster with an unsealed node' },
  },
  {
    is: ({ replication_dr_mode: mode }) => mode === 'secondary',
    condition: {
      code: 'DrSecondary',
      advice: 'let address name the primary cluster, this one is a copy for disasters',
    },
  },
  {
    is: ({ standby }) => standby === true,
    condition: {
      code: 'Standby',
      advice: 'this node is a standby that reaches no active one: check the cluster, or let address name another node',
    },
  },
];

/** The state of one server, asked for where a call got no answer. */
export class Health {
  readonly #api: VaultApi;
  #asking: Promise<Condition | undefined> | undefined;
  #answer: { readonly condition: Condition | undefined; readonly at: number } | undefined;

  constructor(api: VaultApi) {
    this.#api = api;
  }

  /** The same error with the node's condition in it, where that can be learned before `signal` ends. */
  async explain(error: KmsError, signal: AbortSignal): Promise<KmsError> {
    if (signal.aborted || !isUnexplained(error)) return error;
    const condition = await untilAborted(this.#condition(), signal).catch(() => undefined);
    if (condition === undefined) return error;
    return new KmsError(error.fault, { ...error.details, providerCode: condition.code, advice: condition.advice });
  }

  #condition(): Promise<Condition | undefined> {
    const now = this.#api.clock.monotonic();
    if (this.#answer !== undefined && now - this.#answer.at < goodForMs) return Promise.resolve(this.#answer.condition);
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(): Promise<Condition | undefined> {
    const { clock } = this.#api;
    using deadline = startDeadline(clock, patienceMs);
    const path = 'sys/health?standbyok=true&perfstandbyok=true';
    const request = { operation: 'health', method: 'GET', path, isOfNode: true, signal: deadline.signal } as const;
    const answer = await this.#api.exchange(request).catch(() => undefined);
    const health = answer === undefined ? {} : healthIn(answer.body);
    const condition = conditions.find(({ is }) => is(health))?.condition;
    this.#answer = { condition, at: clock.monotonic() };
    return condition;
  }
}

/** Silence and the server's own failures, which say nothing of their cause. */
function isUnexplained({ fault, details }: KmsError): boolean {
  if (fault.kind !== 'outage' || fault.reason !== 'KEY_SERVICE_UNAVAILABLE') return false;
  return details.advice === undefined || details.providerCode === 'SealedOrMaintenance';
}

/** The fields of a health answer, which holds no secrets; none where it is something else. */
function healthIn(body: Buffer): Fields {
  try {
    return fields(JSON.parse(body.toString('utf8')));
  } catch {
    return {};
  }
}
