/** Values that a customer would give to deploy/terraform, attributes that a provider would set, and what is refused. */

export interface Samples {
  readonly variables: Readonly<Record<string, unknown>>;
  readonly resources: Readonly<Record<string, unknown>>;
  readonly refused: Readonly<Record<string, readonly unknown[]>>;
}

const tenant = { customer: 'acme_corp', tenant_id: 'tenant_12345' };
const refusedTenant = { customer: ['', 'two\nlines'], tenant_id: ['', 'a/b', 'x'.repeat(129)] };
const id = '66666666-7777-8888-9999-000000000000';
const refusedIds = ['', 'keyproxy', id.slice(1)];

/** Folder and case → its samples. */
export const terraformSamples: Readonly<Record<string, Samples>> = {
  aws: {
    variables: {
      ...tenant,
      platform_principal_arn: 'arn:aws:iam::444455556666:role/byok-service',
      external_id: 'unique-external-id-12345',
    },
    resources: {
      'data.aws_caller_identity.current': { account_id: '111122223333' },
      'data.aws_partition.current': { partition: 'aws' },
      'data.aws_iam_policy_document.key': { json: '{}' },
      'data.aws_iam_policy_document.trust': { json: '{}' },
      'data.aws_iam_policy_document.use': { json: '{}' },
      'aws_kms_key.cmk': {
        arn: 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
        key_id: 'x',
      },
      'aws_iam_role.keyproxy': { arn: 'arn:aws:iam::111122223333:role/keyproxy-byok', id: 'keyproxy-byok' },
    },
    refused: {
      ...refusedTenant,
      platform_principal_arn: ['*', 'arn:aws:iam::444455556666:root', 'arn:aws:iam::444455556666:user/somebody'],
      external_id: ['', 'x', 'two words', 'x'.repeat(1225)],
      name: ['', 'a/b'],
      deletion_window_in_days: [6, 31],
    },
  },
  azure: {
    variables: {
      ...tenant,
      ...{ name: 'byok-vault-acme', resource_group_name: 'byok-rg', location: 'eastus' },
      ...{ directory_id: id, platform_client_id: id, platform_object_id: id, administrator_object_id: id },
    },
    resources: {
      'azurerm_key_vault.vault': { id: '/subscriptions/s', vault_uri: 'https://byok-vault-acme.vault.azure.net/' },
      'azurerm_key_vault_key.cmk': {
        name: 'platform-cmk',
        resource_versionless_id: '/subscriptions/s/keys/platform-cmk',
      },
      'azurerm_role_assignment.administrator': {},
    },
    refused: {
      ...refusedTenant,
      name: ['ab', '1vault', 'vault-', 'x'.repeat(25)],
      key_name: ['', 'under_score'],
      key_size: [1024, 3073],
      rotation_days: [0, 6, 7.5],
      resource_group_name: [''],
      location: ['East US'],
      directory_id: refusedIds,
      platform_client_id: refusedIds,
      platform_object_id: refusedIds,
      administrator_object_id: refusedIds,
    },
  },
  gcp: {
    variables: {
      ...tenant,
      ...{ project: 'acme-keys', location: 'us-central1' },
      platform_service_account: 'keyproxy@platform.iam.gserviceaccount.com',
    },
    resources: {
      'google_kms_key_ring.ring': { id: 'projects/acme-keys/locations/us-central1/keyRings/byok' },
      'google_kms_crypto_key.cmk': {
        id: 'projects/acme-keys/locations/us-central1/keyRings/byok/cryptoKeys/platform-cmk',
      },
    },
    refused: {
      ...refusedTenant,
      project: ['', 'Acme Keys'],
      location: ['', 'us central'],
      key_ring: ['', 'a/b'],
      key_name: ['', 'a/b'],
      protection_level: ['hsm', 'EXTERNAL'],
      rotation_days: [0],
      platform_service_account: ['', 'allUsers', 'somebody@example.com'],
    },
  },
  ...vaultCases(),
};

/**
 * One for each way to log in, and one for an AppRole method that is there already; the resources of the others are not
 * made.
 */
function vaultCases(): Record<string, Samples> {
  const resources = {
    'vault_mount.transit': { path: 'transit' },
    'vault_transit_secret_backend_key.cmk': { name: 'platform-cmk' },
    'vault_policy.keyproxy': { name: 'platform-cmk' },
    'vault_auth_backend.approle': [],
    'vault_approle_auth_backend_role.keyproxy': [],
    'vault_kubernetes_auth_backend_role.keyproxy': [],
  };
  const roleId = '6f3c9a3e-0d5c-4c1e-9f0a-2b7f4f0f7a11';
  const account = { name: 'keyproxy-node', namespace: 'keyproxy' };
  const refused = {
    ...refusedTenant,
    address: ['', 'http://vault.acme.example', 'https://vault.acme.example/v1', 'https://user:pass@vault.acme.example'],
    namespace: ['', '/platform', 'platform/'],
    mount: ['', '/transit', 'transit/'],
    key_name: ['', 'a/b', 'a*'],
    rotation_days: [0],
    login: ['token', ''],
    secret_id_file: ['secret-id', ''],
    approle_mount: ['', '/approle', 'approle/'],
    kubernetes_mount: ['', 'kubernetes/'],
    service_account: [
      { ...account, name: '*' },
      { ...account, namespace: '*' },
      { ...account, name: 'keyproxy-*' },
      { ...account, namespace: 'team-*' },
      { ...account, name: '' },
      { ...account, namespace: 'Keyproxy' },
    ],
    audience: ['', 'two words', 'vault://*', 'vault://a,b', 'https://kubernetes.default.svc', 'kubernetes.default'],
  };
  const variables = { ...tenant, address: 'https://vault.acme.example:8200' };
  return {
    'vault, approle': {
      variables,
      resources: {
        ...resources,
        'vault_auth_backend.approle': [{ path: 'keyproxy-approle' }],
        'vault_approle_auth_backend_role.keyproxy': [{ role_id: roleId, backend: 'keyproxy-approle' }],
      },
      refused,
    },
    'vault, approle that is there': {
      variables: { ...variables, approle_mount: 'apps/approle', namespace: 'platform/byok' },
      resources: {
        ...resources,
        'vault_approle_auth_backend_role.keyproxy': [{ role_id: roleId, backend: 'apps/approle' }],
      },
      refused,
    },
    'vault, kubernetes': {
      variables: { ...variables, login: 'kubernetes', service_account: account },
      resources: {
        ...resources,
        'vault_kubernetes_auth_backend_role.keyproxy': [
          { role_name: 'platform-cmk', audience: 'vault://tenant_12345' },
        ],
      },
      refused,
    },
  };
}
