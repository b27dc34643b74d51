import { expect, it } from 'vitest';
import { cloudOf, isForKeys } from '../../../../src/kms/azure/clouds.ts';

it.each([
  ['https://acme.vault.azure.net', 'https://vault.azure.net/.default', 'https://login.microsoftonline.com'],
  ['https://acme.managedhsm.azure.net', 'https://managedhsm.azure.net/.default', 'https://login.microsoftonline.com'],
  [
    'https://acme.vault.usgovcloudapi.net',
    'https://vault.usgovcloudapi.net/.default',
    'https://login.microsoftonline.us',
  ],
  [
    'https://acme.managedhsm.usgovcloudapi.net',
    'https://managedhsm.usgovcloudapi.net/.default',
    'https://login.microsoftonline.us',
  ],
  ['https://acme.vault.azure.cn', 'https://vault.azure.cn/.default', 'https://login.chinacloudapi.cn'],
])('%s takes tokens for %s of %s', (vaultUrl, scope, authorityHost) => {
  expect(cloudOf(vaultUrl)).toMatchObject({ scope, authorityHost });
});

it.each([
  'https://127.0.0.1:8443',
  'https://vault.azure.net',
  'https://acme.vault.azure.net.example',
  'https://acmevault.azure.net',
])('%s is a host of no cloud that is known', (vaultUrl) => {
  expect(cloudOf(vaultUrl)).toBeUndefined();
});

it.each([
  ['https://vault.azure.net/.default', true],
  ['https://managedhsm.azure.cn/.default', true],
  ['https://kms.example.com:8443//.default', true],
  ['https://management.azure.com/.default', false],
  ['https://example.com/.default', false],
  ['https://vault.azure.net.example.com/.default', false],
  ['api://11111111-2222-3333-4444-555555555555/.default', false],
  ['', false],
])('a token for %j may go to a private endpoint: %s', (scope, may) => {
  expect(isForKeys(scope, 'https://kms.example.com:8443')).toBe(may);
});
