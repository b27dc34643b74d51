import { describe, expect, it } from 'vitest';
import { type AzureKeyConfig, keyIdOf, materialIdOf } from '../../../src/kms/key-config.ts';

describe('the name of what wraps', () => {
  it('is the same for a key of Azure in every spelling, in which case does not count', () => {
    const named = (keyName: string): AzureKeyConfig => ({
      provider: 'azure_kv',
      vaultUrl: 'https://acme.vault.azure.net',
      keyName,
      credential: { kind: 'managed_identity' },
    });
    expect(materialIdOf(named('Orders-KEK'))).toBe(materialIdOf(named('orders-kek')));
    expect(materialIdOf(named('orders-kek'))).not.toBe(materialIdOf(named('orders-kek2')));
    expect(keyIdOf(named('Orders-KEK'))).toBe('https://acme.vault.azure.net/keys/Orders-KEK');
  });

  it('is the same for related multi-Region keys of AWS alone, and else that of the key', () => {
    const of = (region: string, id: string) =>
      materialIdOf({ provider: 'aws_kms', region, keyArn: `arn:aws:kms:${region}:123456789012:key/${id}` });
    expect(of('us-east-1', 'mrk-1')).toBe(of('eu-west-1', 'mrk-1'));
    expect(of('us-east-1', 'mrk-1')).not.toBe(of('us-east-1', 'mrk-2'));
    expect(of('us-east-1', 'abc-1')).not.toBe(of('eu-west-1', 'abc-1'));
  });
});
