import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestBody } from '../../../../src/kms/vault/request-body.ts';

const bytes = fc.uint8Array({ maxLength: 80 });
const item = fc.record({ plaintext: bytes, associated_data: bytes }, { requiredKeys: ['plaintext'] });

function plain(item: Readonly<Record<string, Uint8Array>>): Record<string, string> {
  return Object.fromEntries(Object.entries(item).map(([name, value]) => [name, Buffer.from(value).toString('base64')]));
}

describe('the body of a request', () => {
  it('is, for one item, that item and what goes with it', () => {
    fc.assert(
      fc.property(item, (one) => {
        const body = requestBody({ items: [one], common: { type: 'none' } });
        expect(JSON.parse(body.toString())).toEqual({ type: 'none', ...plain(one) });
      }),
    );
  });

  it('is, for several, a batch in their order', () => {
    fc.assert(
      fc.property(fc.array(item, { minLength: 2, maxLength: 9 }), fc.boolean(), (items, hasCommon) => {
        const common = hasCommon ? { type: 'none' } : {};
        expect(JSON.parse(requestBody({ items, common }).toString())).toEqual({
          ...common,
          batch_input: items.map(plain),
        });
      }),
    );
  });
});
