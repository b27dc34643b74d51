/** Methods of every kind, which do what the first byte of a message says. */
import { type Handler, type ServerCall, StatusError } from '../../../src/rpc/native/handler.ts';
import { type Reply, replyOf } from '../../../src/rpc/reply.ts';

async function answer(message: Buffer, call: ServerCall): Promise<Reply> {
  const what = message[0] ?? 0;
  if ((what & 0x20) !== 0) call.compress = true;
  if ((what & 0x40) !== 0) {
    call.addHeaders([{ name: 'x-head', value: 'h' }]);
    call.addTrailers([{ name: 'x-end', value: 'e' }]);
  }
  switch (what & 7) {
    case 1:
      throw new StatusError({ code: 9, message: 'no' });
    case 2:
      throw new TypeError('a mistake of our own');
    case 3:
      return await untilAborted(call.signal);
    case 4:
      return replyOf(Buffer.alloc(30_000, what));
    default:
      return replyOf(message);
  }
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, fail) => {
    if (signal.aborted) fail(signal.reason);
    signal.addEventListener('abort', () => fail(signal.reason), { once: true });
  });
}

async function* answers(message: Buffer, call: ServerCall): AsyncGenerator<Reply> {
  for (let left = 1 + (((message[0] ?? 0) >> 3) & 3); left > 0; left--) yield await answer(message, call);
}

/** By path. */
export const methods: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['/u', { kind: 'unary', handle: answer }],
  ['/s', { kind: 'server_stream', handle: answers }],
  [
    '/c',
    {
      kind: 'client_stream',
      async handle(requests, call) {
        let last: Buffer = Buffer.alloc(1);
        for await (const request of requests) {
          last = request;
          if ((last[0] ?? 0) === 0x80) break;
        }
        return await answer(last, call);
      },
    },
  ],
  [
    '/b',
    {
      kind: 'bidi_stream',
      async *handle(requests, call) {
        for await (const request of requests) {
          yield* answers(request, call);
          if ((request[0] ?? 0) === 0x80) return;
        }
      },
    },
  ],
]);
