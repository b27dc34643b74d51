/** What a caller says of its own span, in W3C Trace Context (https://www.w3.org/TR/trace-context/). */
import { type Context, ROOT_CONTEXT, TraceFlags, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import type { CallHeaders } from '../base/call-headers.ts';

/** Longest `tracestate` that is taken along: what everybody has to take (Trace Context, 3.3.1.5), in characters. */
const maxTraceState = 512;

const propagator = new W3CTraceContextPropagator();

/** Gives the propagator no more state than everybody takes. */
const headerGetter = {
  keys: () => propagator.fields(),
  get(headers: CallHeaders, name: string): string | undefined {
    if (name === 'traceparent') return headers('traceparent')[0];
    const state = headers('tracestate').join(',');
    return state.length > maxTraceState ? undefined : state;
  },
};

/** What the caller says of its own span; undefined where it says nothing, nothing that is one, or two things. */
export function parentOf(headers: CallHeaders): Context | undefined {
  if (headers('traceparent').length !== 1) return undefined;
  const context = propagator.extract(ROOT_CONTEXT, headers, headerGetter);
  return context === ROOT_CONTEXT ? undefined : context;
}

/** Whether the caller traces its call. */
export function isSampled(context: Context): boolean {
  return ((trace.getSpanContext(context)?.traceFlags ?? 0) & TraceFlags.SAMPLED) !== 0;
}
