/** A source that fails half-way: nothing of it stays, neither in what goes out nor in the block that others will use. */
import { expect, test } from 'vitest';
import { takeBlock } from '../../../src/h2/blocks.ts';
import { FrameWriter } from '../../../src/h2/frame-writer.ts';
import { Outbox } from '../../../src/h2/outbox.ts';
import { MemorySocket, settled } from '../../support/memory-socket.ts';

test('a write that fails is taken back, and wiped', async () => {
  const socket = new MemorySocket();
  const outbox = new Outbox(socket as never, () => {});
  const writer = new FrameWriter(outbox);
  writer.ping(Buffer.from('12345678'), false);
  const block = outbox.reserve(0);
  const before = block.used;
  const broken = {
    size: 6,
    writeTo(target: Buffer, at: number) {
      target.write('secret', at);
      throw new Error('half-way');
    },
  };
  expect(() => writer.data(1, broken, false)).toThrow('half-way');
  expect([block.used, outbox.waiting]).toEqual([before, before]);
  expect(block.bytes.subarray(before)).toEqual(Buffer.alloc(block.bytes.length - before));
  await settled();
  expect(outbox.waiting).toBe(0);
  expect(takeBlock(10).used).toBe(0);
});
