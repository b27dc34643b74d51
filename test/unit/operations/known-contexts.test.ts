import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseTenantId } from '../../../src/base/ids.ts';
import { contextFor } from '../../../src/operations/context.ts';

const text = fc.string({ maxLength: 6, unit: fc.constantFrom('a', ':', '1', '2', 'é') });
const name = text.filter((key) => key !== '');
const asked = fc.record({
  tenant: fc.constantFrom('demo', 'demo-2', '1'),
  pairs: fc.dictionary(name, text, { maxKeys: 3 }),
  associatedData: fc.boolean(),
});

test('a context that came before is never taken for another one', () => {
  fc.assert(
    fc.property(fc.array(asked, { minLength: 2, maxLength: 20 }), (all) => {
      for (const { tenant, pairs, associatedData } of [...all, ...all]) {
        const context = contextFor(parseTenantId(tenant), new Map(Object.entries(pairs)), associatedData);
        const due = { ...pairs, tenant_id: tenant, ...(associatedData && { 'keyproxy-ad': '1' }) };
        expect(Object.fromEntries(context.pairs)).toEqual(due);
      }
    }),
  );
});

test('as many contexts as anybody likes are built right, however many are kept', () => {
  const tenant = parseTenantId('demo');
  for (const round of [1, 2]) {
    for (let i = 0; i < 1500; i++) {
      expect(contextFor(tenant, new Map([['n', String(i)]])).pairs.get('n'), `round ${round}`).toBe(String(i));
    }
  }
});
