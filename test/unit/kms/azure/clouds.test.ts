import { expect, it } from 'vitest';
import { cloudOf } from '../../../../src/kms/azure/clouds.ts';

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
