/**
 * Traces of calls, from the caller's context (https://www.w3.org/TR/trace-context/) through the engine to the key
 * service. This file is loaded where tracing is configured, and nowhere else.
 *
 * A call's span travels in an AsyncLocalStorage, so that neither engine nor providers know of it. Whether a call is
 * traced is decided before anything is made for it: one that is not costs a look at its headers and a random number.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Attributes,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, TracerProvider } from '@opentelemetry/sdk-trace';
import type { CallHeaders } from '../base/call-headers.ts';
import type { Reason } from '../base/errors.ts';
import { isTenantId } from '../base/ids.ts';
import type { EngineObserver } from '../operations/observer.ts';
import { endAttributes, type KeyCall, type KeyCallEnd, keyCallAttributes } from './span-key-call.ts';
import { attemptEvent, attribute, serverErrors } from './span-names.ts';
import { isSampled, parentOf } from './span-parent.ts';
import type { SpanSender } from './span-sender.ts';

export interface TracingOptions {
  /** The share of calls that are traced where their caller does not say, in [0, 1]. */
  readonly sampleRatio: number;
  /** In [0, 1). */
  readonly random: () => number;
  /** What every span says of the process. */
  readonly resource: Attributes;
  readonly sender: Pick<SpanSender, 'onStart' | 'onEnd' | 'forceFlush' | 'shutdown'>;
}

/** A method as spans name it. */
interface MethodName {
  readonly service: string;
  readonly name: string;
}

/** Whoever is told of calls; the rest of what it is told stays as it is. */
interface CallEnds<M> {
  handled(method: M, code: string, seconds: number, reason?: Reason): void;
}

/** A call that has begun: who is to be told of it, and where its steps run. */
interface Followed<O> {
  readonly observer: O;
  run<T>(step: () => T): T;
}

/** A span that steps run in. What outlives it, a socket or a timer, keeps only this of it. */
interface Scope {
  readonly span: Span | undefined;
  /** Of a flight under way: the calls that wait for it, the one that began it among them. */
  readonly waiters?: readonly SpanContext[] | undefined;
}

/** The same, by whoever ends it. */
type OpenScope = { -readonly [K in keyof Scope]: Scope[K] };

/** A flight that a call which is traced has begun. */
interface TracedFlight {
  readonly first: SpanContext;
  readonly waiters: SpanContext[];
}

export class Tracing {
  readonly #scopes = new AsyncLocalStorage<Scope | undefined>();
  readonly #tracer;
  readonly #isChosen: () => boolean;

  constructor({ sampleRatio, random, resource, sender }: TracingOptions) {
    const provider = new TracerProvider({
      resource: resourceFromAttributes(resource),
      sampler: new AlwaysOnSampler(),
      spanProcessors: [sender],
    });
    this.#isChosen = () => random() < sampleRatio;
    this.#tracer = provider.getTracer('keyproxy');
  }

  /** Follows calls of applications, in the place of `observer`, which is told all the same. */
  calls<M extends MethodName, O extends CallEnds<M>>(
    observer: O,
  ): { begin(method: M, headers: CallHeaders): Followed<O> } {
    const names = new Map<M, string>();
    const unfollowed: Followed<O> = { observer, run: (step) => this.#outside(step) };
    return {
      begin: (method, headers) => {
        const parent = parentOf(headers);
        if (!(parent === undefined ? this.#isChosen() : isSampled(parent))) return unfollowed;
        let name = names.get(method);
        if (name === undefined) {
          name = `${method.service}/${method.name}`;
          names.set(method, name);
        }
        const attributes = { [attribute.rpcSystem]: 'grpc', [attribute.rpcMethod]: name };
        const span = this.#tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent ?? ROOT_CONTEXT);
        return this.#followed(span, observer);
      },
    };
  }

  /** Tells the span of a call what the engine tells `observer`, which is told all the same. */
  engine(observer: EngineObserver): EngineObserver {
    return {
      ...observer,
      cacheAsked: (tenant, operation, result) => {
        this.#span?.setAttribute(attribute.cache, result);
        observer.cacheAsked(tenant, operation, result);
      },
    };
  }

  /** The same verb, which tells the span of a call whose it is. */
  verb<C, Q extends { readonly tenantId: string }, A>(
    run: (caller: C, request: Q, signal: AbortSignal) => Promise<A>,
  ): (caller: C, request: Q, signal: AbortSignal) => Promise<A> {
    return (caller, request, signal) => {
      this.#tellTenant(request.tenantId);
      return run(caller, request, signal);
    };
  }

  /**
   * Makes a call to a key service, in a span of its own where the call that needs it has one. What no caller waits for
   * has a trace of its own, with a link to the call that set it off; so has what others wait for when the call that set it
   * off is over, with a link to each of them.
   */
  async keyCall<T>(call: KeyCall, run: () => Promise<T>, endOf: (error?: unknown) => KeyCallEnd): Promise<T> {
    const around = this.#scopes.getStore();
    const cause = around?.span;
    const waiters = cause === undefined ? around?.waiters : undefined;
    if (cause === undefined && waiters === undefined && call.way === 'live') return await run();
    const isBehind = call.way === 'background';
    if (isBehind && !this.#isChosen()) return await this.#outside(run);
    const span = this.#tracer.startSpan(
      `${call.operation} ${call.provider}`,
      {
        kind: call.provider === 'local' ? SpanKind.INTERNAL : SpanKind.CLIENT,
        attributes: keyCallAttributes(call),
        ...(isBehind && cause && { links: [{ context: cause.spanContext() }] }),
        ...(waiters && { links: waiters.map((context) => ({ context })) }),
      },
      isBehind || cause === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, cause),
    );
    const scope: OpenScope = { span };
    const end = (how: KeyCallEnd) => {
      scope.span = undefined;
      span.setAttributes(endAttributes(how));
      span.end();
    };
    try {
      const result = await this.#scopes.run(scope, run);
      end(endOf());
      return result;
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      end(endOf(error));
      throw error;
    }
  }

  /** One attempt at the call to a key service that is under way has ended. */
  attempted(end: KeyCallEnd): void {
    this.#span?.addEvent(attemptEvent, endAttributes(end));
  }

  /** The same flights: whoever joins one gets a link to the call that it is made for. */
  flights<L>(flights: Flights<L>): Flights<L> {
    const underWay = new Map<string, TracedFlight>();
    return {
      has: (key) => flights.has(key),
      join: (key, work, signal) => {
        const call = this.#scopes.getStore();
        if (call?.span === undefined) return flights.join(key, work, signal);
        const context = call.span.spanContext();
        const joined = underWay.get(key);
        if (joined !== undefined) {
          call.span.addLink({ context: joined.first });
          joined.waiters.push(context);
        }
        const traced = async () => {
          const waiters = [context];
          underWay.set(key, { first: context, waiters });
          try {
            return await this.#fly(call, waiters, work);
          } finally {
            underWay.delete(key);
          }
        };
        return flights.join(key, traced, signal);
      },
    };
  }

  /** Runs the work of a flight for the call that began it, and for those that wait where that one is over before. */
  async #fly<L>(call: Scope, waiters: readonly SpanContext[], work: () => Promise<L>): Promise<L> {
    const scope: OpenScope = {
      get span() {
        return call.span;
      },
      waiters,
    };
    try {
      return await this.#scopes.run(scope, work);
    } finally {
      // What the work leaves behind is no part of it.
      scope.waiters = undefined;
    }
  }

  get #span(): Span | undefined {
    return this.#scopes.getStore()?.span;
  }

  /** Runs what is no part of any call that is traced, wherever it is begun. */
  #outside<T>(step: () => T): T {
    return this.#scopes.getStore() === undefined ? step() : this.#scopes.run(undefined, step);
  }

  #followed<M, O extends CallEnds<M>>(span: Span, observer: O): Followed<O> {
    const scope: OpenScope = { span };
    const handled: O['handled'] = (method, code, seconds, reason) => {
      observer.handled(method, code, seconds, reason);
      scope.span = undefined;
      span.setAttribute(attribute.rpcStatus, code);
      if (reason !== undefined) span.setAttribute(attribute.errorType, reason);
      if (serverErrors.has(code)) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    };
    return { observer: { ...observer, handled }, run: (step) => this.#scopes.run(scope, step) };
  }

  /** Only what can be a tenant's name is told: anything else is the caller's text. */
  #tellTenant(text: string): void {
    const span = this.#span;
    if (span !== undefined && isTenantId(text)) span.setAttribute(attribute.tenant, text);
  }
}

/** Single flights, by key. */
interface Flights<L> {
  has(key: string): boolean;
  join(key: string, work: () => Promise<L>, signal: AbortSignal): Promise<L>;
}
