/** Clients of the simulator: HTTPS without any library, and Microsoft's own, for tests. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { ClientSecretCredential, type TokenCredential } from '@azure/identity';
import { CryptographyClient, type CryptographyClientOptions, KeyClient } from '@azure/keyvault-keys';
import type { SimulatedApplication } from './principals.ts';
import type { AzureSimulator } from './server.ts';

/** An answer as it came. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
  /** The body as JSON; an empty object where it is none. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Of a vault the inner code, else the code; of Entra the first AADSTS number; of IMDS the error; else `ok`. */
  readonly code: string;
}

export interface RawRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Sends a request to one of the simulator's addresses and trusts its certificate alone. */
export function rawCall(azure: AzureSimulator, url: string, options: RawRequest = {}): Promise<RawAnswer> {
  const { method = 'GET', headers = {}, body } = options;
  const send = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((done, fail) => {
    const request = send(url, { method, headers, ca: azure.ca, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', fail);
      response.once('end', () => {
        const answer = { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
        const seen = Object.entries(response.headers).map(([name, value]) => [name, String(value)] as const);
        done({ ...answer, headers: new Map(seen), json: objectOf(answer.text), code: codeOf(objectOf(answer.text)) });
      });
    });
    request.once('error', fail);
    request.end(body);
  });
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function codeOf({ error, error_codes: numbers }: Readonly<Record<string, unknown>>): string {
  if (Array.isArray(numbers)) return String(numbers[0]);
  if (typeof error === 'string') return error;
  if (typeof error !== 'object' || error === null) return 'ok';
  const { code, innererror } = error as { code?: unknown; innererror?: { code?: unknown } };
  return String(innererror?.code ?? code);
}

/** Asks Entra for a token as any client may; `fields` replaces or adds fields, and an empty value takes one away. */
export function askForToken(
  azure: AzureSimulator,
  application: Pick<SimulatedApplication, 'clientId' | 'secret' | 'tenant'>,
  fields: Readonly<Record<string, string>> = {},
): Promise<RawAnswer> {
  const { clientId, secret, tenant } = application;
  const { tenant: named = tenant, ...others } = fields;
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: secret,
    scope: 'https://vault.azure.net/.default',
    ...others,
  });
  for (const [name, value] of [...body]) if (value === '') body.delete(name);
  return rawCall(azure, `${azure.authorityHost}/${named}/oauth2/v2.0/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: body.toString(),
  });
}

/** A token for vault or HSM; throws where Entra gives none. */
export async function tokenOf(
  azure: AzureSimulator,
  application: SimulatedApplication,
  resource = 'https://vault.azure.net',
): Promise<string> {
  const { json, code } = await askForToken(azure, application, { scope: `${resource}/.default` });
  const token = json['access_token'];
  if (typeof token !== 'string') throw new Error(`no token: ${code}`);
  return token;
}

export interface VaultCall {
  readonly token?: string;
  readonly method?: string;
  /** The vault's address unless given. */
  readonly origin?: string;
  /** 7.4 unless given; an empty one is left out. */
  readonly apiVersion?: string;
  /** Sent as JSON. */
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  /** Parameters beside the version of the API. */
  readonly query?: string;
}

/** Calls a vault: POST where there is a body, else GET. */
export function vaultCall(azure: AzureSimulator, path: string, call: VaultCall = {}): Promise<RawAnswer> {
  const { token, body, origin = azure.vaultUrl, apiVersion = '7.4', headers, query = '' } = call;
  const version = apiVersion === '' ? '' : `api-version=${apiVersion}`;
  return rawCall(azure, `${origin}/${path}?${version}${query}`, {
    method: call.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** Options that point Microsoft's libraries at the simulator, without any retry. */
export function libraryOptions(azure: AzureSimulator) {
  return {
    authorityHost: azure.authorityHost,
    disableInstanceDiscovery: true,
    disableChallengeResourceVerification: true,
    retryOptions: { maxRetries: 0 },
    tlsOptions: { ca: azure.ca },
  };
}

/** The credential of `@azure/identity` for a client secret. */
export function secretCredential(azure: AzureSimulator, application: SimulatedApplication): TokenCredential {
  const { tenant, clientId, secret } = application;
  return new ClientSecretCredential(tenant, clientId, secret, libraryOptions(azure));
}

/** The client of `@azure/keyvault-keys` for one key, or one version of it; `options` replaces what is usual here. */
export function cryptographyClient(
  azure: AzureSimulator,
  kid: string,
  credential: TokenCredential,
  options: CryptographyClientOptions = {},
): CryptographyClient {
  return new CryptographyClient(kid, credential, { ...libraryOptions(azure), ...options });
}

/** The client of `@azure/keyvault-keys` for the keys of a vault. */
export function keyClient(azure: AzureSimulator, vaultUrl: string, credential: TokenCredential): KeyClient {
  return new KeyClient(vaultUrl, credential, libraryOptions(azure));
}
