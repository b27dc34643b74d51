/**
 * A key service in memory that takes a session of fifteen minutes with each call, renewed as every adapter renews its
 * own. It can fall silent altogether: then neither a call nor a login gets an answer. It has a clock that is right,
 * whatever somebody sets this machine's to.
 */
import { type Expiring, RenewingCredentials } from '../../src/kms/renewing.ts';
import type { FakeClock } from './fake-clock.ts';
import { FakeKeyService } from './fake-key-service.ts';

interface Session extends Expiring {
  readonly expiration: Date;
}

interface Asked {
  readonly signal: AbortSignal;
}

const sessionMs = 15 * 60_000;
const timeoutMs = 2_000;

export class CredentialedKey extends FakeKeyService {
  /** When it was asked for something and for a session, on the monotonic clock, in order. */
  readonly asked: number[] = [];
  readonly logins: number[] = [];
  /** Calls that came with a session that was over. */
  stale = 0;
  readonly #clock: FakeClock;
  readonly #credentials: RenewingCredentials<Session>;
  #isSilent = false;

  constructor(keyId: string, { clock, random }: { clock: FakeClock; random: () => number }) {
    super(keyId);
    this.#clock = clock;
    this.#credentials = new RenewingCredentials({
      ...{ provider: 'local', clock, random, timeoutMs },
      fetch: () => this.#login(),
    });
  }

  /** Whether whatever is sent to it from now on stays without an answer. */
  set isSilent(isSilent: boolean) {
    this.#isSilent = isSilent;
    this.isMute = isSilent;
    this.gate = isSilent ? new Promise(() => {}) : undefined;
  }

  /** Whether the session in hand is over, by the clock of the service. */
  get isSessionOver(): boolean {
    return this.#isOver(this.#credentials.held());
  }

  override async generate(request: Parameters<FakeKeyService['generate']>[0]) {
    await this.#enter(request);
    return await super.generate(request);
  }

  override async wrap(request: Parameters<FakeKeyService['wrap']>[0]) {
    await this.#enter(request);
    return await super.wrap(request);
  }

  override async unwrap(request: Parameters<FakeKeyService['unwrap']>[0]) {
    await this.#enter(request);
    return await super.unwrap(request);
  }

  async #enter({ signal }: Asked): Promise<void> {
    this.asked.push(this.#clock.monotonic());
    const session = await this.#credentials.current(signal);
    if (this.#isSilent || !this.#isOver(session)) return;
    this.stale += 1;
    await this.#credentials.renewUnlessFresh(session, signal);
  }

  async #login(): Promise<Session> {
    this.logins.push(this.#clock.monotonic());
    if (this.#isSilent) await new Promise(() => {});
    return { expiration: new Date(this.#now() + sessionMs) };
  }

  #isOver({ expiration }: Session): boolean {
    return expiration.getTime() <= this.#now();
  }

  /** What its own clock says, in milliseconds since 1970. */
  #now(): number {
    return this.#clock.start + this.#clock.monotonic();
  }
}
