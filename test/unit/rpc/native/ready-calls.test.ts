/** When a handler is asked: not for what was given up in the same breath, nor while nobody takes the answers. */
import { describe, expect, test, vi } from 'vitest';
import type { Handler } from '../../../../src/rpc/native/handler.ts';
import { replyOf } from '../../../../src/rpc/reply.ts';
import { callFields, prefixed, textsOf } from '../../../support/frame-client.ts';
import { data, reset, windowUpdate } from '../../../support/frames.ts';
import { grpcScene } from '../../../support/grpc-scene.ts';
import { settled } from '../../../support/memory-socket.ts';

const mebibyte = 2 ** 20;

/** Handlers that note what they were asked. */
function noted() {
  const asked: string[] = [];
  const note = (word: string): void => void asked.push(word);
  const handlers: Readonly<Record<string, Handler>> = {
    Short: {
      kind: 'unary',
      async handle(request) {
        note(request.toString());
        return replyOf(request);
      },
    },
    Mebibyte: {
      kind: 'unary',
      async handle(request) {
        note(request.toString());
        return replyOf(Buffer.alloc(mebibyte));
      },
    },
    Stream: {
      kind: 'bidi_stream',
      async *handle(requests) {
        note('stream');
        for await (const request of requests) yield replyOf(request);
      },
    },
  };
  return { asked, handlers };
}

describe('a handler', () => {
  test.each(['Short', 'Stream'])('is not asked where %s comes in one chunk with its reset', async (name) => {
    const { asked, handlers } = noted();
    await using scene = await grpcScene({ handlers });
    const { client } = scene;
    const frames = Array.from({ length: 3 }, () => {
      const id = client.nextId();
      const head = client.blocks.headers(id, callFields(`/test.Test/${name}`));
      return [head, data(id, prefixed('given up'), 'end'), reset(id)];
    });
    client.send(...frames.flat());
    const answer = await client.call('/test.Test/Short', [prefixed('last')]);
    expect(textsOf(answer)).toEqual(['last']);
    expect(asked).toEqual(['last']);
    expect(scene.server.calls.size).toBe(0);
  });

  test('waits while the answers before it do, and is asked when there is room', async () => {
    const { asked, handlers } = noted();
    await using scene = await grpcScene({ handlers });
    const client = await scene.connect([[4, 0]]);
    const open = (at: number) => {
      const id = client.open('/test.Test/Mebibyte', [prefixed(`${at}`)]);
      client.send(data(id, '', 'end'));
      return id;
    };
    const first = [0, 1, 2, 3, 4].map(open);
    await vi.waitFor(() => expect(asked).toHaveLength(5));
    const rest = [5, 6, 7].map(open);
    // A client beside it has its turn after them.
    await scene.client.call('/test.Test/Short', [prefixed('beside')]);
    await settled();
    expect(asked.slice(5)).toEqual(['beside']);
    const ids = [...first, ...rest];
    for (const id of ids) client.send(windowUpdate(id, 2 * mebibyte));
    for (const id of ids) expect((await client.ended(id)).body.length).toBe(mebibyte + 5);
    expect(asked.slice(6)).toEqual(['5', '6', '7']);
  });

  test('is not asked for a call whose time has passed in line, and the call ends', async () => {
    const { asked, handlers } = noted();
    await using scene = await grpcScene({ handlers });
    const client = await scene.connect([[4, 0]]);
    for (let at = 0; at < 6; at++) {
      const id = client.open('/test.Test/Mebibyte', [prefixed(`${at}`)]);
      client.send(data(id, '', 'end'));
    }
    await vi.waitFor(() => expect(asked).toHaveLength(6));
    const late = client.call('/test.Test/Short', [prefixed('late')], [['grpc-timeout', '1S']]);
    await scene.client.call('/test.Test/Short', [prefixed('beside')]);
    await settled();
    scene.clock.advance(1_001);
    expect((await late).end['grpc-status']).toBe('4');
    expect(asked).not.toContain('late');
  });
});
