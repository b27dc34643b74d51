import { expect, test } from 'vitest';
import { connect } from '../support/client.ts';
import { startDaemon } from '../support/daemon.ts';

test('serve --dev encrypts one record and decrypts it again over its socket', async () => {
  await using daemon = await startDaemon();
  using client = connect(daemon.socket);
  const record = Buffer.from('{"order":17,"card":"4111 1111 1111 1111"}');
  const request = { tenant_id: 'demo', encryption_context: { purpose: 'orders' } };

  const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', { ...request, plaintext: record });
  expect(ciphertext.includes(record)).toBe(false);

  const opened = await client.call<{ plaintext: Buffer }>('Decrypt', { ...request, ciphertext });
  expect(opened.plaintext).toEqual(record);
});
