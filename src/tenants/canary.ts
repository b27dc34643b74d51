/**
 * The canary of one key: 32 random bytes that the key wraps once, under its newest version and a context of their own,
 * and that it has to open again and again. Only whether they come back is kept, as a hash.
 *
 * Not every no is one to the key. A version may have been retired, or the canary's context be outside of what the
 * customer's policy allows. So where it is refused, or does not open, it is made anew; and where it cannot be made,
 * something is opened that the key did wrap. Only then is a refusal one.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { EncryptionContext, tenantPair } from '../base/encryption-context.ts';
import type { TenantId } from '../base/ids.ts';
import type { SecretBytes } from '../base/secret.ts';
import { KmsError } from '../kms/fault.ts';
import type { KeyService } from '../kms/key-service.ts';
import type { KeyWatch } from './key-watch.ts';
import type { Wrapped } from './samples.ts';

export interface CanaryOptions {
  readonly clock: Clock;
  readonly tenantId: TenantId;
  /** Has what is opened where no canary can be made. */
  readonly watch: KeyWatch;
}

interface Made extends Wrapped {
  readonly version: string;
  readonly madeAt: number;
}

/** By which way the key is asked, and until when. */
interface Question {
  readonly service: KeyService;
  readonly signal: AbortSignal;
}

const canaryBytes = 32;
/**
 * Where versions have names, a canary is made anew after this time, in milliseconds: its version may not be the one any
 * more that new data goes under.
 */
const versionHoldsMs = 3_600_000;

export class Canary {
  readonly #options: CanaryOptions;
  readonly #context: EncryptionContext;
  #made: Made | undefined;
  /** The version that new data went under last. */
  #version: string | undefined;

  constructor(options: CanaryOptions) {
    this.#options = options;
    this.#context = EncryptionContext.of([
      [tenantPair, options.tenantId],
      ['keyproxy-canary', '1'],
    ]);
  }

  /** The key has just wrapped something under this version of its own. */
  sawWrap(version: string): void {
    if (this.#made !== undefined && this.#made.version !== version) this.#made = undefined;
    this.#version = version;
  }

  /** Whether this is the version that new data goes under, as far as is known. */
  isCurrent(version: string): boolean {
    return version === (this.#version ?? '');
  }

  /**
   * Asks the key by `service`. Returns where it says yes; throws everything else that it says, or that kept it from an
   * answer.
   */
  async ask(service: KeyService, signal: AbortSignal): Promise<void> {
    const question = { service, signal };
    let said: KmsError | undefined;
    for (const attempt of this.#attempts(question)) {
      try {
        if (await attempt()) return;
      } catch (error) {
        if (!(error instanceof KmsError) || !mayBeOfThisOne(error)) throw error;
        said = error.fault.kind === 'refusal' ? error : (said ?? error);
      }
    }
    throw said ?? failed(service, 'NoCanary');
  }

  /** What is tried, one after the other, until something opens; each tells whether it did, or could not be tried. */
  #attempts(question: Question): (() => Promise<boolean>)[] {
    const { samples } = this.#options.watch;
    return [
      () => this.#openMade(question),
      () => this.#openNew(question),
      ...samples.wrapped.map((sample) => async () => {
        await open(sample, question);
        return true;
      }),
      ...samples.contexts().map((context) => () => this.#openUnder(context, question)),
    ];
  }

  /** The canary that there is. Where it does not open it is forgotten. */
  async #openMade(question: Question): Promise<boolean> {
    const made = this.#made;
    if (made === undefined || this.#isOld(made)) return false;
    try {
      await open(made, question);
      return true;
    } catch (error) {
      if (error instanceof KmsError && mayBeOfThisOne(error)) this.#made = undefined;
      throw error;
    }
  }

  /** A new canary. */
  async #openNew(question: Question): Promise<boolean> {
    const made = await this.#make(this.#context, question);
    if (made === undefined) return false;
    await open(made, question);
    this.#made = made;
    return true;
  }

  /** Something new under the context of data: the version of the samples may have been disabled since, or there be none. */
  async #openUnder(context: EncryptionContext, question: Question): Promise<boolean> {
    const made = await this.#make(context, question);
    if (made === undefined) return false;
    await open(made, question);
    this.#options.watch.samples.saw(made);
    return true;
  }

  #isOld({ version, madeAt }: Made): boolean {
    return version !== '' && this.#options.clock.monotonic() - madeAt >= versionHoldsMs;
  }

  /**
   * Has the key make something to open. Undefined where it is denied: that is no answer, since who may not wrap any more
   * may still unwrap.
   */
  async #make(context: EncryptionContext, { service, signal }: Question): Promise<Made | undefined> {
    try {
      const { plaintext, entry } = await service.generate({ length: canaryBytes, context, signal });
      using secret = plaintext;
      const version = service.describe(entry).keyVersion;
      this.sawWrap(version);
      return { entry, context, version, hash: hashOf(secret), madeAt: this.#options.clock.monotonic() };
    } catch (error) {
      if (error instanceof KmsError && mayBeOfThisOne(error)) return undefined;
      throw error;
    }
  }
}

/** Has the key open something, and requires that what it gives is what it was given. */
async function open({ entry, context, hash }: Wrapped, { service, signal }: Question): Promise<void> {
  using opened = await service.unwrap({ entry, context, signal });
  if (!timingSafeEqual(hashOf(opened), hash)) throw failed(service, 'CanaryChanged');
}

function failed({ provider }: KeyService, providerCode: string): KmsError {
  return new KmsError({ kind: 'data' }, { provider, operation: 'Canary', providerCode });
}

/** Whether an answer may be one to this canary, or to making one, and not to the key. */
function mayBeOfThisOne({ fault }: KmsError): boolean {
  return fault.kind === 'data' || fault.kind === 'config' || (fault.kind === 'refusal' && !fault.keyWide);
}

/** What is kept of random bytes in order to tell whether they came back: nobody gets them out of it. */
export function hashOf(secret: SecretBytes): Buffer {
  return createHash('sha256').update(secret.reveal()).digest();
}
