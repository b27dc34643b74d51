/**
 * Who may call a vault: the challenge, the check of the token, the firewall, and the permissions.
 *
 * Sources: "Authentication, requests and responses" (the challenge), "Assign a Key Vault access policy" (permissions),
 * "Azure RBAC for Key Vault" and "Managed HSM local RBAC built-in roles" (data actions).
 */
import type { AccessTokens, Caller, TokenProblem } from './access-tokens.ts';
import { issuerOf } from './access-tokens.ts';
import { type Request, ServiceError } from './answering.ts';
import type { Directory } from './directory.ts';
import { forbidden, refusal } from './vault-errors.ts';

/** As access policies have them; with RBAC each stands for the data action that allows the same. */
export type Permission =
  | 'get'
  | 'list'
  | 'delete'
  | 'recover'
  | 'purge'
  | 'encrypt'
  | 'decrypt'
  | 'wrapKey'
  | 'unwrapKey';

/** How a vault decides who may do what; managed HSMs have their own roles. */
export type PermissionModel = 'policy' | 'rbac' | 'local-rbac';

const dataActions: Record<Permission, string> = {
  get: 'read',
  list: 'read',
  delete: 'delete',
  recover: 'recover/action',
  purge: 'purge/action',
  encrypt: 'encrypt/action',
  decrypt: 'decrypt/action',
  wrapKey: 'wrap/action',
  unwrapKey: 'unwrap/action',
};

/** Who may do what with which keys. */
export class Grants {
  readonly #held = new Map<string, ReadonlySet<Permission>>();

  /** Sets what a principal may do with one key, or with every key of vault and HSM (`*`). */
  set(objectId: string, scope: string, permissions: readonly Permission[]): void {
    this.#held.set(`${objectId} ${scope.toLowerCase()}`, new Set(permissions));
  }

  allows(objectId: string, permission: Permission, key: string | undefined): boolean {
    const scopes = key === undefined ? ['*'] : ['*', key.toLowerCase()];
    return scopes.some((scope) => this.#held.get(`${objectId} ${scope}`)?.has(permission) ?? false);
  }
}

/** What of a vault decides over access. */
export interface Gate {
  readonly vaultName: string;
  readonly audience: string;
  /** The tenant whose tokens it accepts. */
  readonly tenant: string;
  readonly tokens: AccessTokens;
  readonly directory: Directory;
  readonly grants: Grants;
  readonly authorityHost: () => string;
  model: PermissionModel;
  firewall: 'open' | 'closed';
}

/** The caller, by the token that came; throws 401 with the challenge where none came, or none that is good. */
export async function identify(request: Request, gate: Gate): Promise<Caller> {
  const token = bearerOf(request);
  if (token === undefined) throw unauthorized('AKV10000: Request is missing a Bearer or PoP token.', gate);
  const judged = await gate.tokens.judge(token, gate);
  if ('kind' in judged) throw unauthorized(textOf(judged, gate), gate);
  // Every caller is asked for anew, as Continuous Access Evaluation does: a disabled one loses its tokens too.
  if (!gate.directory.isEnabled(judged.clientId)) throw unauthorized('[UserDisabled] Error validating token.', gate);
  return judged;
}

/** The token that came with a request. */
export function bearerOf(request: Request): string | undefined {
  return /^Bearer +(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
}

function textOf(problem: TokenProblem, { audience, tenant }: Gate): string {
  switch (problem.kind) {
    case 'malformed':
      return '[BearerReadAccessTokenFailed] Error occurred during reading of the access token.';
    case 'signature':
      return '[InvalidTokenSignature] Error validating token: the signature is not valid.';
    case 'audience':
      return `AKV10022: Invalid audience. Expected ${audience}, found: ${problem.found}.`;
    case 'issuer':
      return `AKV10032: Invalid issuer. Expected one of ${issuerOf(tenant)}, found ${problem.found}.`;
    case 'not-yet-valid':
      return '[TokenNotYetValid] Error validating token.';
    case 'expired':
      return '[TokenExpired] Error validating token.';
  }
}

function unauthorized(message: string, { authorityHost, tenant, audience, model }: Gate): ServiceError {
  const challenge = `Bearer authorization="${authorityHost()}/${tenant}", resource="${audience}"`;
  const body = { error: { code: 'Unauthorized', message } };
  return new ServiceError({
    code: 'Unauthorized',
    status: 401,
    // A managed HSM challenges without a body.
    ...(model !== 'local-rbac' && { body }),
    headers: { 'www-authenticate': challenge },
  });
}

/** Throws 403 while the firewall is closed: to callers from everywhere, whoever they are. */
export function passFirewall({ clientId, objectId }: Caller, gate: Gate): void {
  if (gate.firewall === 'open') return;
  throw refusal(
    'ForbiddenByFirewall',
    `Client address is not authorized and caller is not a trusted service.\r\nClient address: 127.0.0.1\r\n` +
      `Caller: appid=${clientId};oid=${objectId};iss=${issuerOf(gate.tenant)}\r\nVault: ${gate.vaultName};location=eastus`,
  );
}

/** Throws 403 unless the caller has the permission, in the words of whatever decides here. */
export function permit(
  caller: Caller,
  permission: Permission,
  { gate, key }: { gate: Gate; key: string | undefined },
): void {
  if (gate.grants.allows(caller.objectId, permission, key)) return;
  const who = `appid=${caller.clientId};oid=${caller.objectId};iss=${issuerOf(caller.tenant)}`;
  const scope = key === undefined ? '/keys' : `/keys/${key}`;
  switch (gate.model) {
    case 'policy':
      throw refusal(
        'ForbiddenByPolicy',
        `The user, group or application '${who}' does not have keys ${permission} permission on key vault ` +
          `'${gate.vaultName};location=eastus'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287`,
      );
    case 'rbac':
      throw refusal(
        'ForbiddenByRbac',
        'Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role ' +
          `definitions were changed recently, please observe propagation time.\r\nCaller: ${who}\r\n` +
          `Action: 'Microsoft.KeyVault/vaults/keys/${dataActions[permission]}'\r\nAssignment: (not found)\r\n` +
          `Vault: ${gate.vaultName};location=eastus`,
      );
    case 'local-rbac': {
      const action = dataActions[permission].replace(/(?<!\/action)$/, '/action');
      throw forbidden(
        `User '${caller.objectId}' is not authorized to perform 'Microsoft.KeyVault/managedHsm/keys/${action}' on '${scope}'.`,
      );
    }
  }
}
