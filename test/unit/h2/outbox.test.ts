/** Output: one write a turn, in blocks that are overwritten when the kernel is done with them, and never before. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { blockBytes, returnBlock, takeBlock } from '../../../src/h2/blocks.ts';
import { Outbox } from '../../../src/h2/outbox.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { MemorySocket, settled } from '../../support/memory-socket.ts';
import { seededRandom } from '../../support/seeded-random.ts';

interface Bench {
  readonly socket: MemorySocket;
  readonly outbox: Outbox;
  readonly written: number[];
}

function bench(): Bench {
  const socket = new MemorySocket();
  const written: number[] = [];
  const outbox: Outbox = new Outbox(socket.asSocket, () => written.push(outbox.waiting));
  return { socket, outbox, written };
}

/** Puts text into an outbox, and returns the place where it stands. */
function put(outbox: Outbox, text: string): Buffer {
  const { bytes, used } = outbox.reserve(text.length);
  const place = bytes.subarray(used - text.length, used);
  place.write(text, 'latin1');
  return place;
}

const textOf = (chunks: readonly Buffer[]) => chunks.map((chunk) => chunk.toString('latin1'));

describe('an outbox', () => {
  test('hands what gathers in a turn to the socket at its end, in one write', async () => {
    const { socket, outbox, written } = bench();
    for (let i = 0; i < 1000; i++) put(outbox, `${i % 10}`);
    expect(outbox.waiting).toBe(1000);
    expect(socket.writes).toEqual([]);
    await settled();
    expect(textOf(socket.writes)).toEqual(['0123456789'.repeat(100)]);
    expect({ waiting: outbox.waiting, written }).toEqual({ waiting: 0, written: [0] });
  });

  test('makes one write of many blocks, with what is larger than a block in its place', async () => {
    const { socket, outbox, written } = bench();
    const parts = [
      'a'.repeat(30_000),
      'b'.repeat(5_000),
      'c'.repeat(blockBytes + 1),
      'd'.repeat(10),
      'e'.repeat(blockBytes),
    ];
    for (const part of parts) put(outbox, part);
    await settled();
    expect(socket.writes).toHaveLength(1);
    expect(textOf(socket.writes)[0]).toBe(parts.join(''));
    expect(written).toEqual([0]);
  });

  test('gathers while a write is under way, and writes all of it afterwards', async () => {
    const { socket, outbox, written } = bench();
    socket.hold();
    put(outbox, 'one');
    await settled();
    for (const text of ['two', 'three']) {
      put(outbox, text);
      await settled();
    }
    expect(textOf(socket.writes)).toEqual(['one']);
    expect(outbox.waiting).toBe(11);
    socket.drain();
    await settled();
    expect(textOf(socket.writes)).toEqual(['one', 'twothree']);
    expect(written).toEqual([8]);
    socket.drain('all');
    await settled();
    expect(written).toEqual([8, 0]);
  });

  test('goes out early where it is flushed, and not again at the end of the turn', async () => {
    const { socket, outbox } = bench();
    put(outbox, 'one');
    outbox.flush();
    expect(textOf(socket.writes)).toEqual(['one']);
    await settled();
    expect(socket.writes).toHaveLength(1);
  });

  test('overwrites a block when its write is done, and not before', async () => {
    const { socket, outbox } = bench();
    socket.hold();
    const first = put(outbox, 'first secret');
    await settled();
    const second = put(outbox, 'second secret');
    await settled();
    expect(first.toString()).toBe('first secret');
    socket.drain();
    await settled();
    expect(first).toEqual(Buffer.alloc(12));
    expect(second.toString()).toBe('second secret');
    socket.drain('all');
    await settled();
    expect(second).toEqual(Buffer.alloc(13));
  });

  test('keeps what is under way where the socket is destroyed, until the socket has closed: then all is wiped', async () => {
    const { socket, outbox, written } = bench();
    socket.hold();
    const [under, waits] = [put(outbox, 'under way'), () => put(outbox, 'waits')];
    await settled();
    const waiting = waits();
    // As the system does: the kernel may read until `close`, and a write that is broken off calls back before.
    const seen: string[] = [];
    socket._destroy = (error, done) => {
      socket.drain();
      seen.push(under.toString());
      setImmediate(() => {
        seen.push(under.toString(), waiting.toString());
        done(error);
      });
    };
    socket.destroy();
    await settled();
    expect(seen).toEqual(['under way', 'under way', 'waits']);
    expect([under, waiting]).toEqual([Buffer.alloc(9), Buffer.alloc(5)]);
    expect({ waiting: outbox.waiting, written }).toEqual({ waiting: 0, written: [] });
  });

  test('wipes what is put into it after the end, and writes none of it', async () => {
    const { socket, outbox } = bench();
    socket.destroy();
    await settled();
    const late = put(outbox, 'late secret');
    await settled();
    expect(late).toEqual(Buffer.alloc(11));
    expect(socket.writes).toEqual([]);
    expect(outbox.waiting).toBe(0);
  });

  test('wipes what was put into it in the turn in which the socket ended', async () => {
    const { socket, outbox } = bench();
    const place = put(outbox, 'secret');
    socket.destroy();
    await settled();
    expect(place).toEqual(Buffer.alloc(6));
    expect(outbox.waiting).toBe(0);
  });
});

describe('a block', () => {
  test('is empty whoever had it before, and of its size', () => {
    const taken = Array.from({ length: 100 }, () => takeBlock(10));
    for (const [at, block] of taken.entries()) {
      block.bytes.fill(0).fill(0xaa, 0, at * 300);
      block.used = at * 300;
    }
    for (const block of taken) returnBlock(block);
    const again = Array.from({ length: 64 }, () => takeBlock(blockBytes));
    const ours = again.filter((block) => taken.includes(block));
    expect(ours.length).toBeGreaterThan(0);
    for (const block of ours) {
      expect(block.used).toBe(0);
      expect(block.bytes.subarray(0, 30_000).includes(0xaa)).toBe(false);
    }
    for (const block of again) returnBlock(block);
  });

  test('belongs to one at a time', () => {
    const blocks = Array.from({ length: 200 }, () => takeBlock(1));
    expect(new Set(blocks.map(({ bytes }) => bytes)).size).toBe(200);
    for (const block of blocks) returnBlock(block);
  });

  test('that is larger than others is not kept', () => {
    const large = takeBlock(blockBytes + 1);
    expect(large.bytes).toHaveLength(blockBytes + 1);
    large.bytes.fill(1);
    large.used = blockBytes + 1;
    returnBlock(large);
    expect(large.bytes.every((byte) => byte === 0)).toBe(true);
    const next = takeBlock(1);
    expect(next.bytes).toHaveLength(blockBytes);
    returnBlock(next);
  });
});

async function pairOf(place: 'unix' | 'tcp'): Promise<{ near: Socket; far: Socket } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const server = createServer();
  stack.defer(() => void server.close());
  if (place === 'unix') server.listen(join(folder.path, 's'));
  else server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as string | AddressInfo;
  const accepted = once(server, 'connection');
  const far = typeof address === 'string' ? dial(address) : dial(address.port, '127.0.0.1');
  const [near] = (await accepted) as [Socket];
  stack.defer(() => void [near, far].map((socket) => socket.destroy()));
  const rest = stack.move();
  return { near, far, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

describe.each(['unix', 'tcp'] as const)('over %s', (place) => {
  test('a slow reader gets every byte of 2,000 answers as it was written', async () => {
    await using pair = await pairOf(place);
    const { near, far } = pair;
    const random = seededRandom(place.length);
    const outbox = new Outbox(near, () => {});
    const expected: Buffer[] = [];
    far.pause();
    for (let i = 0; i < 2_000; i++) {
      const size = 1 + Math.floor(random() * 10_000);
      const answer = randomBytes(size);
      const { bytes, used } = outbox.reserve(size);
      answer.copy(bytes, used - size);
      expected.push(answer);
      // Some answers to a turn, and some turns to an answer.
      if (i % 7 === 0) await new Promise((done) => setImmediate(done));
    }
    const whole = Buffer.concat(expected);
    // The kernel's buffers are full long before that.
    expect(outbox.waiting).toBeGreaterThan(100_000);
    const got: Buffer[] = [];
    let length = 0;
    for await (const chunk of far) {
      got.push(chunk);
      length += chunk.length;
      if (length >= whole.length) break;
    }
    expect(Buffer.concat(got).equals(whole)).toBe(true);
  });

  test('a reader who goes away leaves nothing behind', async () => {
    await using pair = await pairOf(place);
    const { near, far } = pair;
    near.on('error', () => {});
    const outbox = new Outbox(near, () => {});
    far.pause();
    const places = Array.from({ length: 200 }, () => {
      const place = put(outbox, 's'.repeat(20_000));
      outbox.flush();
      return place;
    });
    const closed = once(near, 'close');
    far.destroy();
    near.destroy();
    await closed;
    await settled();
    expect(outbox.waiting).toBe(0);
    for (const place of places) expect(place.includes('s')).toBe(false);
  });
});
