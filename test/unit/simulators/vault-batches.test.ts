/** Batches of the simulated transit engine: how much of one fails, with which status, and what a client is told. */
import { describe, expect, it } from 'vitest';
import { base64, call, tokenFor } from '../../simulators/vault/clients.ts';
import { startVaultSimulator } from '../../simulators/vault/server.ts';

const ciphertext = expect.stringMatching(/^vault:v1:/);
const ok = { plaintext: base64('a') };
const bad = { plaintext: '*' };
const badResult = { error: 'illegal base64 data at input byte 0', reference: '' };
const okResult = { ciphertext, key_version: 1, reference: '' };

async function ask(operation: string, body: object, type: 'aes256-gcm96' | 'rsa-2048' = 'aes256-gcm96') {
  await using vault = await startVaultSimulator();
  const token = await tokenFor(vault);
  vault.createKey({ name: 'k', type });
  const answer = await call(vault, `transit/${operation}/k`, { token, body });
  return { ...answer, batchSizes: vault.calls.map((made) => made.batchSize).filter((size) => size !== undefined) };
}

describe('a batch to encrypt', () => {
  it('keeps the order and echoes the references', async () => {
    const { status, data, batchSizes } = await ask('encrypt', { batch_input: [{ ...ok, reference: 'one' }, ok] });
    expect([status, data['batch_results']]).toEqual([200, [{ ...okResult, reference: 'one' }, okResult]]);
    expect(batchSizes).toEqual([2]);
  });

  it.each([
    [400, [ok, bad], undefined, [okResult, badResult]],
    [207, [ok, bad], 207, [okResult, badResult]],
    [400, [bad], 207, [badResult]],
    [400, [ok, bad], 999, [okResult, badResult]],
  ])('answers %i with its results where an item fails: %#', async (status, batch_input, code, results) => {
    const body = { batch_input, ...(code !== undefined && { partial_failure_response_code: code }) };
    const answer = await ask('encrypt', body);
    expect([answer.status, answer.data['batch_results'], answer.errors]).toEqual([status, results, undefined]);
    expect(answer.body['request_id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('answers 500 where only the server is to blame, and 400 where both are', async () => {
    const long = { plaintext: base64('x'.repeat(300)) };
    const error = 'failed to RSA encrypt the plaintext: crypto/rsa: message too long for RSA key size';
    const alone = await ask('encrypt', { batch_input: [long, ok] }, 'rsa-2048');
    expect([alone.status, alone.data['batch_results']]).toEqual([500, [{ error, reference: '' }, okResult]]);
    expect((await ask('encrypt', { batch_input: [long, bad] }, 'rsa-2048')).status).toBe(400);
  });

  it('answers 200 although an item with associated data for RSA has failed', async () => {
    const item = { ...ok, associated_data: base64('q') };
    const { status, data } = await ask('encrypt', { batch_input: [item, ok] }, 'rsa-2048');
    const error = "'[0].associated_data' provided for non-AEAD cipher suite rsa-2048";
    expect([status, data['batch_results']]).toEqual([200, [{ error, reference: '' }, okResult]]);
  });

  it.each([
    [400, [], 'missing batch input to process'],
    [400, [{ ...ok, context: base64('c') }, ok], 'context should be set either in all the request blocks or in none'],
    [500, [{}], "failed to parse batch input: '[0].plaintext' missing plaintext to encrypt"],
    [500, {}, 'failed to parse batch input: source data must be an array or slice, got map[string]interface {}'],
    [500, [1], "failed to parse batch input: [0] expected a map, got 'json.Number'"],
    [
      500,
      [{ plaintext: 5 }],
      "failed to parse batch input: '[0].plaintext' expected type 'string', got unconvertible type 'json.Number'",
    ],
  ])('that cannot be read is a %i as a whole: %#', async (status, batch_input, text) => {
    const answer = await ask('encrypt', { batch_input });
    const sent = status === 500 ? `1 error occurred:\n\t* ${text}\n\n` : text;
    expect([answer.status, answer.errors]).toEqual([status, [sent]]);
  });
});

describe('a batch to decrypt', () => {
  it('gives a failed item an empty plaintext beside its error', async () => {
    const { status, data } = await ask('decrypt', { batch_input: [{ ciphertext: 'x', reference: 'r' }] });
    expect([status, data['batch_results']]).toEqual([
      400,
      [{ plaintext: '', error: 'invalid ciphertext: no prefix', reference: 'r' }],
    ]);
  });
});

describe('a batch to rewrap', () => {
  it('answers 200 whatever becomes of its items', async () => {
    const { status, data } = await ask('rewrap', { batch_input: [{ ciphertext: 'x', reference: 'r' }, {}] });
    expect([status, data['batch_results']]).toEqual([
      200,
      [
        { error: 'invalid ciphertext: no prefix', reference: 'r' },
        { error: 'missing ciphertext to decrypt', reference: '' },
      ],
    ]);
  });

  it('fails as a whole where an RSA key cannot open one of them', async () => {
    const answer = await ask('rewrap', { batch_input: [{ ciphertext: 'vault:v1:AAAA' }] }, 'rsa-2048');
    const text = '1 error occurred:\n\t* failed to RSA decrypt the ciphertext: crypto/rsa: decryption error\n\n';
    expect([answer.status, answer.errors]).toEqual([500, [text]]);
  });
});
