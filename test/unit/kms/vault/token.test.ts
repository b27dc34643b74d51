import { expect, it } from 'vitest';
import { VaultAnswer } from '../../../../src/kms/vault/answer.ts';
import { tokenOf } from '../../../../src/kms/vault/token.ts';

function tokenWith(lease: unknown) {
  const auth = { client_token: 's.not-a-real-token', lease_duration: lease, renewable: true };
  const body = Buffer.from(JSON.stringify({ request_id: 'r', auth }));
  const answer = VaultAnswer.read({ status: 200, retryAfter: undefined, body });
  return answer && tokenOf(answer, 1_000);
}

it('takes a token with the life that Vault gives it, up to the longest that Vault can count', () => {
  expect(tokenWith(3_600)?.expiration?.getTime()).toBe(3_601_000);
  expect(tokenWith(9_000_000_000)?.expiration?.getTime()).toBe(9_000_000_001_000);
  expect(tokenWith(0)?.expiration).toBeUndefined();
});

it.each([9_300_000_000, Number.MAX_SAFE_INTEGER, -1, 1.5, '3600', null])(
  'takes none with a life that no Vault gives, whose end would be no time to wait for: %s',
  (lease) => {
    expect(tokenWith(lease)).toBeUndefined();
  },
);
