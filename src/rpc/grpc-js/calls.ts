/** One call on `@grpc/grpc-js`: from its events to a method's function and its end. */
import {
  type Deadline,
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type ServerDuplexStream,
  type ServerWritableStream,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import type { CallHeaders } from '../../base/call-headers.ts';
import type { Caller } from '../../base/caller.ts';
import type { Clock } from '../../base/clock.ts';
import { KeyproxyError } from '../../base/errors.ts';
import type { Identify } from '../../identity/identify.ts';
import { Course } from '../course.ts';
import { type CallFollower, type FollowedCall, followed } from '../follower.ts';
import { mark } from '../listener.ts';
import type { BidiStreamMethod, CallObserver, Method, ServerStreamMethod, UnaryMethod } from '../method.ts';
import { bytesOf, type Reply } from '../reply.ts';
import type { WireStatus } from '../status.ts';
import { whileWanted } from '../wanted.ts';

export interface CallOptions {
  readonly caller: Caller;
  readonly identify?: Identify | undefined;
  readonly marked: boolean;
  readonly observer: CallObserver;
  readonly follower?: CallFollower | undefined;
  readonly clock: Clock;
  /** Aborted when the listener ends: streams that are still open end then, unary calls go on. */
  readonly ending: AbortSignal;
  /** The unary calls that are under way, for whoever has to end them. */
  readonly open: Set<AbortController>;
}

/** What the calls of all kinds have in common. */
interface AnyCall {
  readonly metadata: Metadata;
  getDeadline(): Deadline;
  on(event: 'cancelled', run: () => void): unknown;
  once(event: 'drain', run: () => void): unknown;
  off(event: 'drain', run: () => void): unknown;
}

/** How calls are followed here: each one is a function that returns nothing and goes on by itself. */
const following = {
  headersOf:
    ({ metadata }: AnyCall, ..._rest: unknown[]): CallHeaders =>
    (name) =>
      metadata.get(name).map(String),
  run: (call: FollowedCall, start: () => void): void => call.run(start),
};

/** The handler that grpc-js calls for `method`. */
export function handlerFor(method: Method, options: CallOptions): UntypedHandleCall {
  switch (method.kind) {
    case 'unary':
      return followed(method, options, { ...following, make: (own) => unary(method, own) });
    case 'server_stream':
      return followed(method, options, { ...following, make: (own) => serverStream(method, own) });
    case 'bidi_stream':
      return followed(method, options, { ...following, make: (own) => bidiStream(method, own) });
  }
}

function unary(method: UnaryMethod, options: CallOptions): handleUnaryCall<Buffer, Buffer> {
  return (call, callback) => {
    const course = new Course(method, options);
    const controller = controllerOf(call, course, options.clock);
    const { open } = options;
    open.add(controller);
    const succeed = (answer: Reply) => {
      const bytes = bytesOf(answer);
      open.delete(controller);
      course.succeed();
      callback(null, bytes);
    };
    const fail = (thrown: unknown) => {
      open.delete(controller);
      callback(ending(course.fail(thrown)));
    };
    if (isUnmarked(call, method, options)) fail(new KeyproxyError('REQUEST_UNMARKED'));
    else {
      asCaller(call, method, options)
        .then((caller) => method.handle(caller, call.request, controller.signal))
        .then(succeed)
        .catch(fail);
    }
  };
}

function serverStream(method: ServerStreamMethod, options: CallOptions): handleServerStreamingCall<Buffer, Buffer> {
  return (call) => {
    void pump(method, options, call, (caller, signal) => method.handle(caller, call.request, signal));
  };
}

function bidiStream(method: BidiStreamMethod, options: CallOptions): handleBidiStreamingCall<Buffer, Buffer> {
  return (call) => {
    void pump(method, options, call, (caller, signal) => method.handle(caller, call, signal));
  };
}

/** Writes what `answers` yields, no faster than the peer reads it. */
async function pump(
  method: Method,
  options: CallOptions,
  call: ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
  answers: (caller: Caller, signal: AbortSignal) => AsyncIterable<Reply>,
): Promise<void> {
  const course = new Course(method, options);
  const signal = AbortSignal.any([controllerOf(call, course, options.clock).signal, options.ending]);
  try {
    if (isUnmarked(call, method, options)) throw new KeyproxyError('REQUEST_UNMARKED');
    const caller = await asCaller(call, method, options);
    for await (const answer of whileWanted(answers(caller, signal), signal)) {
      if (!call.write(bytesOf(answer))) await writable(call, signal);
    }
    // A method may end its answers because the caller has gone: that is no success.
    signal.throwIfAborted();
    course.succeed();
    call.end();
  } catch (thrown) {
    call.emit('error', ending(course.fail(thrown)));
  }
}

/** Resolves when the peer has room again, or has gone. */
function writable(call: AnyCall, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = () => {
      call.off('drain', end);
      signal.removeEventListener('abort', end);
      done();
    };
    if (signal.aborted) {
      done();
      return;
    }
    call.once('drain', end);
    signal.addEventListener('abort', end, { once: true });
  });
}

/** The end of a failed call, as grpc-js wants it. */
function ending({ code, message, details }: WireStatus) {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', details);
  return { code, details: message, metadata, name: 'KeyproxyError', message };
}

/** Aborted when the caller gives up. grpc-js says `cancelled` after every end, so what comes then is no news. */
function controllerOf(call: AnyCall, course: Course, clock: Clock): AbortController {
  const controller = new AbortController();
  call.on('cancelled', () => {
    if (course.isOver) return;
    const deadline = Number(call.getDeadline());
    const isLate = Number.isFinite(deadline) && clock.now() >= deadline;
    controller.abort(new KeyproxyError(isLate ? 'DEADLINE_EXCEEDED' : 'CANCELLED'));
  });
  return controller;
}

/** On whose behalf the call runs. */
async function asCaller(call: AnyCall, method: Method, { caller, identify }: CallOptions): Promise<Caller> {
  if (identify === undefined || method.exempt) return caller;
  return await identify(caller, { authorization: () => call.metadata.get('authorization')[0]?.toString() });
}

function isUnmarked(call: AnyCall, method: Method, options: CallOptions): boolean {
  return options.marked && !method.exempt && call.metadata.get(mark.name)[0] !== mark.value;
}
