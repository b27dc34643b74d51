/** Serves methods over keyproxy's own HTTP/2: Unix sockets and loopback TCP. */
import { setImmediate as immediately } from 'node:timers/promises';
import type { CallHeaders } from '../../base/call-headers.ts';
import type { Caller } from '../../base/caller.ts';
import { KeyproxyError } from '../../base/errors.ts';
import { Course } from '../course.ts';
import { followed, inSteps } from '../follower.ts';
import { lastWord } from '../last-word.ts';
import { type Listener, type ListenerOptions, mark } from '../listener.ts';
import type { Method, UnaryMethod } from '../method.ts';
import type { Reply } from '../reply.ts';
import { tooLarge, type WireStatus, wireStatus } from '../status.ts';
import { whileWanted } from '../wanted.ts';
import { type Handler, type Refusal, type Refused, type ServerCall, type Status, StatusError } from './handler.ts';
import { serveGrpc } from './server.ts';

/** The end of a call whose caller has gone. */
const cancelled = refusedWith(new KeyproxyError('CANCELLED'));

/** What the handlers of a listener have in common. */
interface HandlerOptions extends ListenerOptions {
  /** Aborted when the listener ends: streams that are still open end then, unary calls go on. */
  readonly ending: AbortSignal;
}

/** Binds and serves. Rejects where the address cannot be had. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { target, methods, maxMessageBytes, maxConnections, clock } = options;
  const ending = new AbortController();
  const all = { ...options, ending: ending.signal };
  const byPath = new Map(methods.map((method) => [`/${method.service}/${method.name}`, method]));
  const handlers = new Map([...byPath].map(([path, method]) => [path, handlerFor(method, all)]));
  const server = await serveGrpc({
    ...{ target, handlers, maxMessageBytes, maxConnections, clock },
    onFailure: (error) => options.observer.broke(error),
    onTurnedAway: () => options.observer.turnedAway(),
    callerOf: options.callerOf ?? (() => options.caller),
    refuse(refusal, path) {
      // A call whose caller has gone is told to nobody; there may be many.
      if (refusal.kind === 'cancelled') return cancelled;
      const error = errorOf(refusal);
      if (refusal.kind === 'failed' && !(refusal.error instanceof KeyproxyError)) options.observer.broke(refusal.error);
      const method = path === undefined ? undefined : byPath.get(path);
      // A call that no handler knows of is counted here; one whose caller went before it began is none.
      const status = method === undefined ? wireStatus(error) : new Course(method, options).fail(error);
      return { status: asStatus(status), reason: error };
    },
  });
  return {
    async drain(graceMs) {
      // What streams have to tell of the end, a health watch say, gets out before they end.
      await immediately();
      ending.abort(new KeyproxyError('SHUTTING_DOWN'));
      using _lastWord = lastWord(server.calls, { graceMs, clock });
      await server.drain(graceMs);
    },
  };
}

function handlerFor(method: Method, options: HandlerOptions): Handler {
  switch (method.kind) {
    case 'unary':
      return {
        kind: 'unary',
        handle: followed(method, options, {
          ...{ make: (own) => unary(method, own), headersOf },
          run: (call, start) => call.run(start),
        }),
      };
    case 'server_stream':
      return {
        kind: 'server_stream',
        handle: followed(method, options, {
          ...{ headersOf, run: (call, start) => inSteps(call, start()) },
          make: (own) => (request: Buffer, call: ServerCall) =>
            answers(method, { call, options: own, begin: (caller, signal) => method.handle(caller, request, signal) }),
        }),
      };
    case 'bidi_stream':
      return {
        kind: 'bidi_stream',
        handle: followed(method, options, {
          ...{ headersOf, run: (call, start) => inSteps(call, start()) },
          make: (own) => (requests: AsyncIterable<Buffer>, call: ServerCall) =>
            answers(method, { call, options: own, begin: (caller, signal) => method.handle(caller, requests, signal) }),
        }),
      };
  }
}

function unary(method: UnaryMethod, options: HandlerOptions) {
  return (request: Buffer, call: ServerCall): Promise<Reply> => {
    const course = new Course(method, options);
    if (isUnmarked(method, call, options)) return Promise.reject(asError(course.fail(unmarked())));
    return asCaller(method, call, options, (caller) => method.handle(caller, request, call.signal)).then(
      (reply) => {
        course.succeed();
        return reply;
      },
      (thrown) => {
        throw asError(course.fail(thrown));
      },
    );
  };
}

function headersOf(_requests: unknown, { headers }: ServerCall): CallHeaders {
  return (wanted) => headers.filter(({ name }) => name === wanted).map(({ value }) => value);
}

interface StreamedCall {
  readonly call: ServerCall;
  readonly options: HandlerOptions;
  readonly begin: (caller: Caller, signal: AbortSignal) => AsyncIterable<Reply>;
}

/** The answers of a stream, which ends with the listener. */
async function* answers(method: Method, { call, options, begin }: StreamedCall): AsyncGenerator<Reply> {
  const course = new Course(method, options);
  const signal = AbortSignal.any([call.signal, options.ending]);
  try {
    if (isUnmarked(method, call, options)) throw unmarked();
    const caller = await asCaller(method, call, options, async (who) => who);
    yield* whileWanted(begin(caller, signal), signal);
    // A method may end its answers because the caller has gone: that is no success.
    signal.throwIfAborted();
    course.succeed();
  } catch (thrown) {
    throw asError(course.fail(thrown));
  } finally {
    // Nobody took the last answer.
    if (!course.isOver) course.fail(signal.reason);
  }
}

/** Runs it for whom the call is made. */
function asCaller<T>(
  method: Method,
  call: ServerCall,
  { identify }: HandlerOptions,
  run: (caller: Caller) => Promise<T>,
): Promise<T> {
  if (identify === undefined || method.exempt) return run(call.caller);
  try {
    const { headers } = call;
    const authorization = () => headers.find(({ name }) => name === 'authorization')?.value;
    const caller = identify(call.caller, { authorization, origin: headers });
    return caller instanceof Promise ? caller.then(run) : run(caller);
  } catch (error) {
    return Promise.reject(error);
  }
}

function isUnmarked(method: Method, { headers }: ServerCall, { marked }: HandlerOptions): boolean {
  return marked && !method.exempt && !headers.some(({ name, value }) => name === mark.name && value === mark.value);
}

function unmarked(): KeyproxyError {
  return new KeyproxyError('REQUEST_UNMARKED');
}

/** Why the transport ended a call, as keyproxy tells it. */
function errorOf(refusal: Refusal): KeyproxyError {
  switch (refusal.kind) {
    case 'unknown method':
      return new KeyproxyError('METHOD_UNKNOWN');
    case 'malformed':
      return new KeyproxyError('REQUEST_MALFORMED', { detail: refusal.what });
    case 'unknown encoding':
      return new KeyproxyError('ENCODING_UNKNOWN');
    case 'message too large':
      return tooLarge('request', refusal);
    case 'too much at once':
      return new KeyproxyError('MESSAGE_TOO_LARGE', {
        detail: 'the requests under way on this connection are too large together; send fewer at a time',
      });
    case 'deadline':
      return new KeyproxyError('DEADLINE_EXCEEDED');
    case 'cancelled':
      return new KeyproxyError('CANCELLED');
    case 'failed':
      return KeyproxyError.from(refusal.error);
  }
}

function asStatus({ code, message, details }: WireStatus): Status {
  // A value of -bin metadata is base64 without padding (PROTOCOL-HTTP2.md, Binary-Header).
  const value = details.toString('base64').replace(/=+$/, '');
  return { code, message, trailers: [{ name: 'grpc-status-details-bin', value }] };
}

function refusedWith(error: KeyproxyError): Refused {
  return { status: asStatus(wireStatus(error)), reason: error };
}

function asError(status: WireStatus): StatusError {
  return new StatusError(asStatus(status));
}
