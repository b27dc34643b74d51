/**
 * What is known of a caller, looked up once: how it is called, and how it stands with each tenant. Callers that have one
 * name are one caller, however many connections or tokens they come with.
 */
import { Allowance } from '../base/allowance.ts';
import { type Caller, callerName } from '../base/caller.ts';
import { KeyproxyError } from '../base/errors.ts';
import type { TenantId } from '../base/ids.ts';
import type { Verb } from '../base/verb.ts';

/** What one caller may do for a tenant, whether or not there is such a tenant. */
export type Rights = (tenant: TenantId) => ReadonlySet<Verb>;

/** What callers may do. */
export type AccessRule = (caller: Caller) => Rights;

/** Bounds on what one caller does for one tenant. */
export interface CallerLimits {
  /** Calls at a time. */
  readonly concurrentCalls: number;
  /** Calls a second, in a burst of as many; Infinity where there is no bound. */
  readonly callsPerSecond: number;
  /**
   * Decryptions that fail for what was sent, a minute, and as many at once: a bug makes some, a search for data that
   * opens makes many.
   */
  readonly failedDecryptionsPerMinute: number;
}

/** Who does what for whom, as the audit names it. */
export interface Subject {
  readonly caller: string;
  readonly tenant: string;
  readonly operation: Verb;
}

/** Verbs that open what the caller sent. */
const opening: ReadonlySet<Verb> = new Set(['unwrap', 'decrypt', 'rewrap']);

/** Callers that are remembered; beyond, those who do nothing now are forgotten. */
const maxCallers = 10_000;

/** How one caller stands with one tenant. */
export class Standing {
  readonly subjects: Readonly<Record<Verb, Subject>>;
  /** What the caller may do; undefined until somebody asks. */
  permitted: ReadonlySet<Verb> | undefined;
  readonly #limits: CallerLimits;
  readonly #calls: Allowance | undefined;
  readonly #failures: Allowance;
  #active = 0;

  constructor(caller: string, tenant: TenantId, { limits, now }: { limits: CallerLimits; now: number }) {
    const subject = (operation: Verb): Subject => ({ caller, tenant, operation });
    this.subjects = {
      generate_dek: subject('generate_dek'),
      unwrap: subject('unwrap'),
      encrypt: subject('encrypt'),
      decrypt: subject('decrypt'),
      rewrap: subject('rewrap'),
      describe_tenant: subject('describe_tenant'),
    };
    this.#limits = limits;
    const { callsPerSecond, failedDecryptionsPerMinute: failures } = limits;
    if (Number.isFinite(callsPerSecond)) {
      this.#calls = new Allowance({ most: callsPerSecond, perSecond: callsPerSecond, now });
    }
    this.#failures = new Allowance({ most: failures, perSecond: failures / 60, now });
  }

  /** Whether no call is under way. */
  get isIdle(): boolean {
    return this.#active === 0;
  }

  /** A call begins, which `leave` ends. Throws `CALLER_OVER_LIMIT`. */
  enter(verb: Verb, now: number): void {
    if (this.#active >= this.#limits.concurrentCalls) {
      throw overLimit(`it has ${this.#active} under way for the tenant, as many as it may`);
    }
    if (this.#calls?.tryTake(now) === false) {
      throw overLimit(`it may make ${this.#limits.callsPerSecond} a second for the tenant`);
    }
    if (opening.has(verb) && !this.#failures.has(now))
      throw overLimit(
        `more than ${this.#limits.failedDecryptionsPerMinute} of its decryptions for the tenant failed within a minute`,
      );
    this.#active += 1;
  }

  leave(): void {
    this.#active -= 1;
  }

  /** One of the caller's decryptions has failed for what it sent. Those under way at a time may leave it in debt. */
  failed(now: number): void {
    this.#failures.owe(now);
  }
}

function overLimit(detail: string): KeyproxyError {
  return new KeyproxyError('CALLER_OVER_LIMIT', { detail, retryAfterMs: 1000 });
}

export interface StandingsOptions {
  readonly access: AccessRule;
  readonly limits: CallerLimits;
}

/** Calls that the policy denies: what is recorded of each, a minute, and as many at once. */
const denialsPerMinute = 600;

/** One caller, by its name. */
class KnownCaller {
  readonly name: string;
  /** How it stands with the tenants that it has called for. */
  readonly standings = new Map<TenantId, Standing>();
  readonly denials: Allowance;
  #rights: Rights | undefined;

  constructor(name: string, now: number) {
    this.name = name;
    this.denials = new Allowance({ most: denialsPerMinute, perSecond: denialsPerMinute / 60, now });
  }

  /** What it may do, by the policy that was in force when somebody asked first. */
  rights(access: () => Rights): Rights {
    this.#rights ??= access();
    return this.#rights;
  }

  policyChanged(): void {
    this.#rights = undefined;
    for (const standing of this.standings.values()) standing.permitted = undefined;
  }

  get isIdle(): boolean {
    return [...this.standings.values()].every((standing) => standing.isIdle);
  }
}

/** All callers. */
export class Standings {
  readonly #options: StandingsOptions;
  /** The way of the hot path: a caller is one object for a connection, or for a token. */
  #byCaller = new WeakMap<Caller, KnownCaller>();
  readonly #byName = new Map<string, KnownCaller>();

  constructor(options: StandingsOptions) {
    this.#options = options;
  }

  /** How the caller stands with a tenant that there is. */
  of(caller: Caller, tenant: TenantId, now: number): Standing {
    const known = this.#known(caller, now);
    let standing = known.standings.get(tenant);
    if (standing === undefined) {
      standing = new Standing(known.name, tenant, { limits: this.#options.limits, now });
      known.standings.set(tenant, standing);
    }
    standing.permitted ??= known.rights(() => this.#options.access(caller))(tenant);
    return standing;
  }

  /** Whether the caller may do this for a tenant, which there need not be. */
  mayDo(caller: Caller, tenant: TenantId, { verb, now }: { verb: Verb; now: number }): boolean {
    return this.#known(caller, now)
      .rights(() => this.#options.access(caller))(tenant)
      .has(verb);
  }

  /** The policy has denied a call. Throws `CALLER_OVER_LIMIT` where that has happened too often to be recorded. */
  denied(caller: Caller, now: number): void {
    if (this.#known(caller, now).denials.tryTake(now)) return;
    throw overLimit(`more than ${denialsPerMinute} of its calls were denied by the policy within a minute`);
  }

  /** The policy has changed: everybody's rights are looked up anew. */
  policyChanged(): void {
    for (const known of this.#byName.values()) known.policyChanged();
  }

  #known(caller: Caller, now: number): KnownCaller {
    const found = this.#byCaller.get(caller);
    if (found !== undefined) return found;
    const name = callerName(caller);
    let known = this.#byName.get(name);
    if (known === undefined) {
      if (this.#byName.size >= maxCallers) this.#forgetIdle();
      known = new KnownCaller(name, now);
      this.#byName.set(name, known);
    }
    this.#byCaller.set(caller, known);
    return known;
  }

  #forgetIdle(): void {
    for (const [name, known] of this.#byName) if (known.isIdle) this.#byName.delete(name);
    // What callers point to must not live on beside what their names point to.
    this.#byCaller = new WeakMap();
  }
}
