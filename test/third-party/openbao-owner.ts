/** What a customer does at an OpenBao or Vault server by its HTTP API (https://openbao.org/api-docs/), as root. */
import { setTimeout as pause } from 'node:timers/promises';

export interface OwnerOptions {
  /** Origin of the server. */
  readonly endpoint: string;
  readonly token: string;
  readonly namespace?: string;
}

type Fields = Readonly<Record<string, unknown>>;

export class OpenBaoOwner {
  readonly #options: OwnerOptions;

  constructor(options: OwnerOptions) {
    this.#options = options;
  }

  /** The same owner within a namespace. */
  within(namespace: string): OpenBaoOwner {
    return new OpenBaoOwner({ ...this.#options, namespace });
  }

  /** Calls the API; `path` begins after `/v1/`. Returns the `data` of the answer. Rejects where it is refused. */
  async call(method: string, path: string, body?: Fields): Promise<Fields> {
    const { data } = await this.#send(method, path, body);
    // The API's answers are JSON objects, and their data objects too, or nothing.
    return (data ?? {}) as Fields;
  }

  async #send(method: string, path: string, body?: Fields): Promise<Fields> {
    const { endpoint, token, namespace } = this.#options;
    const response = await fetch(`${endpoint}/v1/${path}`, {
      method,
      headers: {
        'X-Vault-Token': token,
        'X-Vault-Request': 'true',
        ...(namespace !== undefined && { 'X-Vault-Namespace': namespace }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(20_000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}: ${text.slice(0, 500)}`);
    return text === '' ? {} : JSON.parse(text);
  }

  /** Makes a new server's first keys; one share opens it. */
  async initialise(): Promise<{ rootToken: string; unsealKey: string }> {
    const answer = await this.#send('PUT', 'sys/init', { secret_shares: 1, secret_threshold: 1 });
    const [unsealKey] = Array.isArray(answer['keys']) ? answer['keys'] : [];
    return { rootToken: text(answer['root_token']), unsealKey: text(unsealKey) };
  }

  /** Unseals the server, and waits until it serves. */
  async unseal(key: string): Promise<void> {
    await this.#send('PUT', 'sys/unseal', { key });
    for (let left = 100; ; left--) {
      const failure = await this.#send('GET', 'sys/health').catch((error: unknown) => error);
      if (!(failure instanceof Error)) return;
      if (left === 0) throw failure;
      await pause(50);
    }
  }

  async mountTransit(mount: string): Promise<void> {
    await this.call('POST', `sys/mounts/${mount}`, { type: 'transit' });
  }

  async createKey(mount: string, name: string, options: Fields): Promise<void> {
    await this.call('POST', `${mount}/keys/${name}`, options);
  }

  /** A policy in the server's own language; replaces one of that name. */
  async setPolicy(name: string, rules: string): Promise<void> {
    await this.call('PUT', `sys/policies/acl/${name}`, { policy: rules });
  }

  /** An AppRole; `options` as in its API. Returns the role id. */
  async createAppRole(name: string, options: Fields): Promise<string> {
    await this.call('POST', `auth/approle/role/${name}`, options);
    return text((await this.call('GET', `auth/approle/role/${name}/role-id`))['role_id']);
  }

  async newSecretId(role: string): Promise<string> {
    return text((await this.call('POST', `auth/approle/role/${role}/secret-id`))['secret_id']);
  }
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new Error('the server left out what was asked for');
  return value;
}
