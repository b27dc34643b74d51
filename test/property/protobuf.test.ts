/** The codec against protobufjs, on every message that there is a table for, in both directions. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyproxyError } from '../../src/base/errors.ts';
import { readDescriptors } from '../../src/rpc/descriptors.ts';
import { bytes, cases, plain, toOwn } from '../support/message-play.ts';
import { descriptorBytes } from '../unit/rpc/proto-files.ts';

const runs = { numRuns: 60 };

describe.each(cases)('$name', (each) => {
  const { own, other, values } = each;

  it('is read by protobufjs as it was written here', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(plain(other.decode(own.encode(toOwn(each, value))))).toEqual(plain(value));
      }),
      runs,
    );
  });

  it('is read here as protobufjs wrote it', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(plain(own.decode(other.encode(value)))).toEqual(plain(value));
      }),
      runs,
    );
  });

  it('is refused with a status or read, whatever the bytes', () => {
    const any = fc.oneof(
      bytes,
      fc.tuple(values, fc.nat(), fc.nat({ max: 255 })).map(([value, at, byte]) => {
        const encoded = own.encode(toOwn(each, value));
        if (encoded.length > 0) encoded[at % encoded.length] = byte;
        return encoded;
      }),
    );
    fc.assert(
      fc.property(any, (input) => {
        try {
          own.decode(input);
        } catch (error) {
          expect(error).toBeInstanceOf(KeyproxyError);
          expect(KeyproxyError.from(error).reason).toBe('REQUEST_MALFORMED');
        }
      }),
      runs,
    );
  });
});

describe('readDescriptors', () => {
  it('reads or refuses changed descriptors, and never runs away', () => {
    fc.assert(
      fc.property(fc.nat({ max: descriptorBytes.length - 1 }), fc.nat({ max: 255 }), (at, byte) => {
        const changed = Buffer.from(descriptorBytes);
        changed[at] = byte;
        try {
          readDescriptors(changed);
        } catch (error) {
          expect(KeyproxyError.from(error).reason).toBe('REQUEST_MALFORMED');
        }
      }),
    );
  });
});
