/** The `vault` block, for HashiCorp Vault and OpenBao: one key of a transit engine, and how keyproxy logs in. */
import type { VaultAuth, VaultKeyConfig } from '../kms/key-config.ts';
import { endpoint, endpointProblem } from './address.ts';
import { checkGoesWith, type KeysOf } from './goes-with.ts';
import { byDefault, optional, required, type Shape, section, type Values } from './shape.ts';
import { choice, path, text } from './values.ts';

/** A path of Vault without slashes at its ends; no part of it may be `.` or `..`, which a URL would swallow. */
const vaultPath = text(
  'a path without slashes at its ends, of parts of [A-Za-z0-9_.-]',
  /^(?!\.{1,2}(?:\/|$))[\w.-]{1,128}(?:\/(?!\.{1,2}(?:\/|$))[\w.-]{1,128}){0,15}$/,
);
const keyName = text('1 to 128 characters of [A-Za-z0-9_.-]', /^(?!\.{1,2}$)[\w.-]{1,128}$/);
const name = text('1 to 256 characters without spaces', /^[^\s\p{Cc}]{1,256}$/u);

/** Where a projected token of the tenant's own audience is looked for. */
const tokenFolder = '/var/run/secrets/keyproxy/tokens';

const authFields = {
  method: required(choice(['kubernetes', 'approle']), 'Login method.'),
  mount: optional(vaultPath, 'Where the method is mounted.', 'the name of the method'),
  role: optional(name, 'Role, for `kubernetes`.'),
  audience: optional(name, "Audience of the projected token, for `kubernetes`: each tenant's Vault has its own."),
  token_file: optional(
    path,
    'File with the projected token, for `kubernetes`; read at each login.',
    `\`${tokenFolder}/TENANT_ID\``,
  ),
  role_id: optional(name, 'Role id, for `approle`.'),
  secret_id_file: optional(path, 'File with the secret id, for `approle`; read at each login.'),
};

type AuthBlock = Values<typeof authFields>;

/** Login method → the keys that it needs, and those that it takes beside them; `mount` goes with both. */
const methodKeys: KeysOf<AuthBlock['method']> = {
  kubernetes: { needs: ['role', 'audience'], takes: ['token_file'] },
  approle: { needs: ['role_id', 'secret_id_file'], takes: [] },
};

/** Audiences of a cluster's own API server, as kubeadm and most offers of Kubernetes have them. */
const apiServer = /^(?:https:\/\/)?kubernetes\.default(?:\.svc(?:\..*)?)?\/?$/i;

const authShape = section(authFields, ({ method: choice, audience }, auth) => {
  if (choice !== undefined) checkGoesWith(auth, { kind: 'method', choice, keys: methodKeys });
  if (audience !== undefined && apiServer.test(audience)) {
    auth.problem(
      'audience',
      "is the cluster's own API server: whoever runs this Vault could use such a token there; project one for this Vault",
    );
  }
});

const fields = {
  address: required(endpoint, 'The server.'),
  mount: byDefault(vaultPath, 'transit', 'Where the transit engine is mounted.'),
  key_name: required(keyName, 'The key.'),
  namespace: optional(vaultPath, 'Namespace of the mount.'),
  ca_file: optional(path, "PEM file with the authority that signed the server's certificate.", "the system's"),
  auth: required(authShape, 'How keyproxy logs in.'),
};

type VaultBlock = Values<typeof fields>;

/** The block's shape; `trustedEndpoints` are the origins that need not be HTTPS or remote. */
export function vaultBlock(trustedEndpoints: readonly string[]): Shape<VaultBlock> {
  return section(fields, (values, block) => {
    const trouble = values.address === undefined ? undefined : endpointProblem(values.address, trustedEndpoints);
    if (trouble !== undefined) block.problem('address', trouble);
  });
}

/** The key as the provider takes it; `absolute` makes paths absolute. */
export function vaultKeyConfig(
  block: VaultBlock,
  { tenantId, absolute }: { tenantId: string; absolute: (path: string) => string },
): VaultKeyConfig {
  return {
    provider: 'vault',
    address: block.address,
    mount: block.mount,
    keyName: block.key_name,
    ...(block.namespace !== undefined && { namespace: block.namespace }),
    ...(block.ca_file !== undefined && { caFile: absolute(block.ca_file) }),
    auth: authOf(block.auth, { tenantId, absolute }),
  };
}

function authOf(
  auth: AuthBlock,
  { tenantId, absolute }: { tenantId: string; absolute: (path: string) => string },
): VaultAuth {
  const { method, mount = method } = auth;
  if (method === 'approle') {
    return { method, mount, roleId: auth.role_id ?? '', secretIdFile: absolute(auth.secret_id_file ?? '') };
  }
  const tokenFile = absolute(auth.token_file ?? `${tokenFolder}/${tenantId}`);
  return { method, mount, role: auth.role ?? '', audience: auth.audience ?? '', tokenFile };
}
