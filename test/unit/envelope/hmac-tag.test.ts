import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hmacTag } from '../../../src/envelope/hmac-tag.ts';

test('a tag is the beginning of the HMAC-SHA256 that Node computes, for any key of a block and any parts', () => {
  const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
  const length = fc.integer({ min: 0, max: 32 });
  fc.assert(
    fc.property(bytes(64), fc.array(bytes(3000), { maxLength: 4 }), length, (key, parts, cut) => {
      const hmac = createHmac('sha256', key);
      for (const part of parts) hmac.update(part);
      expect(hmacTag(key, parts, cut)).toEqual(hmac.digest().subarray(0, cut));
    }),
  );
});

test('a key longer than a block is refused', () => {
  expect(() => hmacTag(new Uint8Array(65), [], 16)).toThrow(RangeError);
});
