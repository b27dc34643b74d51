/** From a body to its messages: wherever frames are cut, and whatever lengths they announce. */
import { describe, expect, test } from 'vitest';
import { MessageReader } from '../../../../src/rpc/native/message-reader.ts';
import { Requests } from '../../../../src/rpc/native/requests.ts';
import type { Share } from '../../../../src/rpc/native/share.ts';
import { statusFields } from '../../../../src/rpc/native/status-fields.ts';
import { prefixed } from '../../../support/frame-client.ts';
import { lonelyShare } from '../../../support/shares.ts';

interface Bench {
  readonly reader: MessageReader;
  readonly held: Share;
  readonly messages: string[];
  read(bytes: Buffer): unknown;
}

function bench({ maxMessageBytes = 1000, limit = 10_000 } = {}): Bench {
  const held = lonelyShare(limit);
  const messages: string[] = [];
  const reader = new MessageReader({
    ...{ maxMessageBytes, held },
    onMessage: (message, isCompressed) => messages.push(`${isCompressed ? 'z:' : ''}${message.toString('latin1')}`),
  });
  return { reader, held, messages, read: (bytes) => reader.read(bytes, 0, bytes.length) };
}

const body = Buffer.concat([prefixed('first'), prefixed(''), prefixed('x', 1), prefixed('the last of them')]);
const texts = ['first', '', 'z:x', 'the last of them'];

describe('messages', () => {
  test('come out the same wherever two frames, or three, are cut', () => {
    for (let at = 0; at <= body.length; at++) {
      for (let next = at; next <= body.length; next++) {
        const { read, messages, reader, held } = bench();
        for (const part of [body.subarray(0, at), body.subarray(at, next), body.subarray(next)]) {
          expect(read(part)).toBeUndefined();
        }
        expect(messages).toEqual(texts);
        // What is whole is held until its call lets go of it.
        const size = texts.join('').length - 'z:'.length;
        expect({ isInside: reader.isInside, held: held.bytes }).toEqual({ isInside: false, held: size });
        reader.letGo();
        expect(held.bytes).toBe(0);
      }
    }
  });

  test('come out byte by byte, each as soon as it is whole', () => {
    const { read, messages } = bench();
    let count = 0;
    for (const [at, byte] of body.entries()) {
      read(Buffer.from([byte]));
      const whole = [10, 15, 21, body.length].filter((end) => end <= at + 1).length;
      expect(messages).toHaveLength(whole);
      count = whole;
    }
    expect(count).toBe(4);
  });

  test('are copies: what they came in may change', () => {
    const { read, messages } = bench();
    const chunk = Buffer.from(prefixed('abc'));
    const kept: Buffer[] = [];
    const reader = new MessageReader({
      ...{ maxMessageBytes: 10, held: lonelyShare(10) },
      onMessage: (message) => kept.push(message),
    });
    reader.read(chunk, 0, chunk.length);
    chunk.fill(0);
    expect(kept[0]?.toString()).toBe('abc');
    read(chunk.subarray(0, 0));
    expect(messages).toEqual([]);
  });

  test('of any length up to the bound grow as they come, and are whole', () => {
    for (const size of [1, 16_383, 16_384, 16_385, 32_768, 100_000]) {
      const { read, messages, held, reader } = bench({ maxMessageBytes: 100_000, limit: 100_000 });
      const message = Buffer.from(Array.from({ length: size }, (_, i) => 65 + (i % 23)));
      const all = prefixed(message);
      for (let at = 0; at < all.length; at += 7_001) expect(read(all.subarray(at, at + 7_001))).toBeUndefined();
      expect(messages[0] === message.toString('latin1')).toBe(true);
      expect(held.bytes).toBe(size);
      reader.letGo(size);
      expect(held.bytes).toBe(0);
    }
  });
});

describe('a message is refused', () => {
  test('at its prefix where it is over the bound, and at the bound it is not', () => {
    const { read, messages } = bench();
    expect(read(prefixed(Buffer.alloc(1000)))).toBeUndefined();
    expect(messages).toHaveLength(1);
    const [head, rest] = [Buffer.from('00000003', 'hex'), Buffer.from([0xe9])];
    expect(read(head)).toBeUndefined();
    expect(read(rest)).toEqual({ kind: 'message too large', size: 1001, limit: 1000 });
  });

  test('where it claims four gigabytes', () => {
    expect(bench().read(Buffer.from('00ffffffff', 'hex'))).toMatchObject({
      kind: 'message too large',
      size: 2 ** 32 - 1,
    });
  });

  test.each([2, 3, 0x80, 0xff])('where its first byte is %i', (flag) => {
    expect(bench().read(prefixed('x', flag))).toMatchObject({ kind: 'malformed' });
  });

  test('where all calls of the connection hold too much together; what is given up counts no more', () => {
    const held = lonelyShare(150);
    const options = { maxMessageBytes: 1000, held, onMessage: () => {} };
    const [one, two] = [new MessageReader(options), new MessageReader(options)];
    const part = prefixed(Buffer.alloc(200)).subarray(0, 105);
    expect(one.read(part, 0, part.length)).toBeUndefined();
    expect(held.bytes).toBe(100);
    expect(two.read(part, 0, part.length)).toEqual({ kind: 'too much at once' });
    two.drop();
    two.letGo();
    expect(held.bytes).toBe(100);
    one.letGo();
    one.letGo();
    expect(held.bytes).toBe(0);
  });
});

test('a message that has begun is inside, from its first byte to its last', () => {
  const { read, reader } = bench();
  const message = prefixed('ab');
  for (let at = 0; at < message.length; at++) {
    expect(reader.isInside).toBe(at > 0);
    read(message.subarray(at, at + 1));
  }
  expect(reader.isInside).toBe(false);
});

describe('the requests of a stream', () => {
  function queue() {
    const granted: number[] = [];
    const taken: number[] = [];
    const requests = new Requests({ grant: (bytes) => granted.push(bytes), onTaken: (bytes) => taken.push(bytes) });
    const come = (size: number) => {
      requests.push(Buffer.alloc(size), size);
      requests.came(size + 5);
    };
    return { requests, granted, taken, come };
  }

  test('withhold the window while more than 64 KiB wait, and give it back as they are taken', async () => {
    const { requests, granted, come } = queue();
    come(30_000);
    expect(granted).toEqual([30_005]);
    come(40_000);
    come(10);
    expect(granted).toEqual([30_005]);
    await requests.next();
    expect(granted).toEqual([30_005, 40_020]);
  });

  test('count for more than their bytes: empty ones are withheld too', async () => {
    const { requests, granted, come } = queue();
    for (let i = 0; i < 2000; i++) come(0);
    const given = granted.length;
    // Each costs 256 bytes, and 64 KiB wait at most.
    expect(given).toBeLessThan(300);
    expect(given).toBeGreaterThan(200);
    for (let i = 0; i < 2000; i++) await requests.next();
    expect(granted.reduce((sum, bytes) => sum + bytes, 0)).toBe(10_000);
  });

  test('that somebody waits for do not wait themselves', async () => {
    const { requests, granted, taken, come } = queue();
    const next = requests.next();
    come(100_000);
    expect(taken).toEqual([100_256]);
    expect(granted).toEqual([100_005]);
    expect((await next).value).toHaveLength(100_000);
  });

  test('are handed out before the end, and after an error no more', async () => {
    const { requests, come } = queue();
    come(1);
    requests.end();
    requests.push(Buffer.alloc(9), 9);
    expect((await requests.next()).value).toHaveLength(1);
    expect(await requests.next()).toEqual({ done: true, value: undefined });
    const broken = queue();
    broken.come(1);
    broken.requests.end(new Error('gone'));
    await expect(broken.requests.next()).rejects.toThrow('gone');
  });

  test('end for whoever waits', async () => {
    const { requests } = queue();
    const next = requests.next();
    requests.end();
    expect((await next).done).toBe(true);
    const other = queue().requests;
    const waiting = other.next();
    other.end(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
  });
});

describe('the words of a status', () => {
  test.each([
    ['plain words, with ~ and "quotes"', 'plain words, with ~ and "quotes"'],
    ['100%', '100%25'],
    ['a\nb\r\0\x7f\t', 'a%0Ab%0D%00%7F%09'],
    ['Schl\u00fcssel \u{1f511}', 'Schl%C3%BCssel %F0%9F%94%91'],
    ['\ud800', '%EF%BF%BD'],
    ['', ''],
    [' ', ' '],
  ])('%j go out as %j', (message, expected) => {
    const fields = statusFields({ code: 3, message, trailers: [{ name: 'a', value: 'b' }] });
    expect(fields).toEqual([
      { name: 'grpc-status', value: '3' },
      { name: 'grpc-message', value: expected },
      { name: 'a', value: 'b' },
    ]);
  });
});
