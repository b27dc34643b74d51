/** What is cached lies in memory of its own: a piece of a shared buffer would keep all of it alive. */
import { expect, it } from 'vitest';
import { FakeEngine } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';

it('holds no piece of a shared buffer, whether a key was made or opened', async () => {
  const key = new FakeKeyService('cmk-a');
  const engine = new FakeEngine();
  const { id } = engine.serve('a', [key]);
  const made = await engine.generate('a', { source: 2, context: { purpose: 'x' } });
  await engine.encrypt('a', 'x');
  const opened = new FakeEngine();
  opened.serve('a', [key]);
  await opened.unwrap('a', made.wrappedDek, { context: { purpose: 'x' } });
  const cached = [
    ...engine.cache.values(id, 'dek'),
    ...engine.cache.values(id, 'root'),
    ...opened.cache.values(id, 'dek'),
  ];
  expect(cached).toHaveLength(4);
  for (const { dataKey, entries, context } of cached) {
    const parts = entries.flatMap(({ providerId, providerInfo, ciphertext }) => [providerId, providerInfo, ciphertext]);
    for (const bytes of [dataKey.secret.reveal(), context.serialized, ...parts]) {
      expect(bytes.buffer.byteLength).toBe(bytes.length);
    }
  }
});
