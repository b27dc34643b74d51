/** Raw calls for tests of the simulator: one HTTP request each, and nothing that a library would add or hide. */
import type { PolicyRules } from './acl.ts';
import type { VaultSimulator } from './server.ts';

/** What a call is made of; a body makes it a POST unless told otherwise. */
export interface RawCall {
  readonly method?: string;
  readonly token?: string;
  readonly namespace?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The node of a standby pair to ask; the one in front unless given. */
  readonly address?: string;
}

/** An answer, taken apart; what it has not is empty. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly data: Readonly<Record<string, unknown>>;
  readonly auth: Readonly<Record<string, unknown>>;
  readonly errors: readonly unknown[] | undefined;
}

/** Asks `/v1/` + path. */
export async function call(vault: VaultSimulator, path: string, options: RawCall = {}): Promise<RawAnswer> {
  const { token, namespace, body, address = vault.address } = options;
  const response = await fetch(`${address}/v1/${path}`, {
    method: options.method ?? (body === undefined ? 'GET' : 'POST'),
    redirect: 'manual',
    headers: {
      'x-vault-request': 'true',
      ...(token !== undefined && { 'x-vault-token': token }),
      ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
      ...options.headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return takeApart(response, await response.text());
}

function takeApart(response: Response, text: string): RawAnswer {
  const body = recordOf(text.startsWith('{') ? JSON.parse(text) : {});
  return {
    status: response.status,
    headers: response.headers,
    text,
    body,
    data: recordOf(body['data']),
    auth: recordOf(body['auth']),
    errors: Array.isArray(body['errors']) ? body['errors'] : undefined,
  };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** Everything on every path. */
export const everything: PolicyRules = { '*': ['create', 'read', 'update', 'delete', 'list'] };

/** A token with these rules, by an AppRole made for it. */
export async function tokenFor(
  vault: VaultSimulator,
  rules: PolicyRules = everything,
  options: { namespace?: string; tokenTtl?: number; tokenMaxTtl?: number; tokenType?: 'service' | 'batch' } = {},
): Promise<string> {
  const name = `test-${made++}`;
  vault.createPolicy(name, rules, options.namespace);
  const role = vault.approle({ ...options, policies: [name] });
  const { auth } = await call(vault, 'auth/approle/login', {
    body: { role_id: role.roleId, secret_id: role.newSecretId() },
    ...(options.namespace !== undefined && { namespace: options.namespace }),
  });
  return String(auth['client_token']);
}

let made = 0;

/** Text as base64. */
export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** A clock that a test moves. */
export function movableClock(): { now(): number; advance(seconds: number): void } {
  let time = Date.UTC(2026, 0, 1);
  return {
    now: () => time,
    advance: (seconds) => {
      time += seconds * 1000;
    },
  };
}
