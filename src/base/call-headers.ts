/** What a call may say of the trace that it belongs to, whatever carries it. */

/** The values of a call's headers of this name, in lower case; none where there is no such header. */
export type CallHeaders = (name: 'traceparent' | 'tracestate') => readonly string[];
