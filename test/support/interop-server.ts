/**
 * The server of gRPC's interop tests, on our own transport: `node test/support/interop-server.ts TARGET`. What it does
 * is told in https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md, and one thing more: a call that
 * gives metadata back also ends with the client's `:authority`, in `x-test-authority`. Prints `listening` when it does.
 */
import { pause, systemClock } from '../../src/base/clock.ts';
import { type Handler, type ServerCall, StatusError } from '../../src/rpc/native/handler.ts';
import { serveGrpc } from '../../src/rpc/native/server.ts';
import type { MessageOf } from '../../src/rpc/protobuf/message.ts';
import { type Reply, replyOf } from '../../src/rpc/reply.ts';
import {
  empty,
  simpleRequest,
  simpleResponse,
  streamingInputCallRequest,
  streamingInputCallResponse,
  streamingOutputCallRequest,
  streamingOutputCallResponse,
} from './grpc-test-messages.ts';

type OutputRequest = MessageOf<typeof streamingOutputCallRequest.shape>;

const invalidArgument = 3;

/** Metadata that comes back before the first answer, and at the end. */
const [initialName, trailingName] = ['x-grpc-test-echo-initial', 'x-grpc-test-echo-trailing-bin'];

/** Gives the client back what it asked for, and its authority. */
function echoMetadata(call: ServerCall): void {
  call.addHeaders(call.headers.filter(({ name }) => name === initialName));
  call.addTrailers(call.headers.filter(({ name }) => name === trailingName));
  call.addTrailers([{ name: 'x-test-authority', value: call.authority }]);
}

function refuseIfAsked(wanted: { readonly code?: number; readonly message?: string } | undefined): void {
  const { code = 0, message = '' } = wanted ?? {};
  if (code !== 0) throw new StatusError({ code, message });
}

/** `expected` is what the request says of itself. */
function checkCompressed(expected: { readonly value?: boolean } | undefined, call: ServerCall): void {
  if (expected?.value !== true || call.requestWasCompressed) return;
  throw new StatusError({ code: invalidArgument, message: 'the request is not compressed, and says that it is' });
}

async function unaryCall(bytes: Buffer, call: ServerCall): Promise<Reply> {
  const request = simpleRequest.decode(bytes);
  echoMetadata(call);
  checkCompressed(request.expectCompressed, call);
  refuseIfAsked(request.responseStatus);
  call.compress = request.responseCompressed?.value === true;
  return replyOf(simpleResponse.encode({ payload: { body: Buffer.alloc(request.responseSize) } }));
}

async function streamingInputCall(requests: AsyncIterable<Buffer>, call: ServerCall): Promise<Reply> {
  let aggregatedPayloadSize = 0;
  for await (const bytes of requests) {
    const request = streamingInputCallRequest.decode(bytes);
    checkCompressed(request.expectCompressed, call);
    aggregatedPayloadSize += request.payload?.body?.length ?? 0;
  }
  return replyOf(streamingInputCallResponse.encode({ aggregatedPayloadSize }));
}

/** The answers that one request asks for. */
async function* outputs(request: OutputRequest, call: ServerCall): AsyncIterable<Reply> {
  refuseIfAsked(request.responseStatus);
  for (const { size = 0, intervalUs = 0, compressed } of request.responseParameters) {
    if (intervalUs > 0) await pause(systemClock, intervalUs / 1000, call.signal);
    call.compress = compressed?.value === true;
    yield replyOf(streamingOutputCallResponse.encode({ payload: { body: Buffer.alloc(size) } }));
  }
}

async function* streamingOutputCall(bytes: Buffer, call: ServerCall): AsyncIterable<Reply> {
  echoMetadata(call);
  yield* outputs(streamingOutputCallRequest.decode(bytes), call);
}

async function* fullDuplexCall(requests: AsyncIterable<Buffer>, call: ServerCall): AsyncIterable<Reply> {
  echoMetadata(call);
  for await (const bytes of requests) yield* outputs(streamingOutputCallRequest.decode(bytes), call);
}

/** Answers nothing before it has heard all. */
async function* halfDuplexCall(requests: AsyncIterable<Buffer>, call: ServerCall): AsyncIterable<Reply> {
  const heard: OutputRequest[] = [];
  for await (const bytes of requests) heard.push(streamingOutputCallRequest.decode(bytes));
  for (const request of heard) yield* outputs(request, call);
}

/** `UnimplementedCall` is left out, as the tests want it. */
const handlers = new Map<string, Handler>([
  ['EmptyCall', { kind: 'unary', handle: async () => replyOf(empty.encode({})) }],
  ['UnaryCall', { kind: 'unary', handle: unaryCall }],
  ['StreamingInputCall', { kind: 'client_stream', handle: streamingInputCall }],
  ['StreamingOutputCall', { kind: 'server_stream', handle: streamingOutputCall }],
  ['FullDuplexCall', { kind: 'bidi_stream', handle: fullDuplexCall }],
  ['HalfDuplexCall', { kind: 'bidi_stream', handle: halfDuplexCall }],
]);

await serveGrpc({
  target: process.argv[2] ?? '',
  handlers: new Map([...handlers].map(([name, handler]) => [`/grpc.testing.TestService/${name}`, handler])),
  maxMessageBytes: 16 * 2 ** 20,
  clock: systemClock,
});
process.stdout.write('listening\n');
