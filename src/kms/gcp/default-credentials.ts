/**
 * Application Default Credentials (https://cloud.google.com/docs/authentication/application-default-credentials): the
 * file that GOOGLE_APPLICATION_CREDENTIALS names, the one that the Google Cloud CLI leaves, the machine's own identity.
 */

import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { GoogleAuth } from 'google-auth-library';
import type { Authorities } from '../authorities.ts';
import type { KmsError } from '../fault.ts';
import type { Fields } from '../fields.ts';
import { readCredentialFile, unusableFile } from './credential-file.ts';
import { federatedToken } from './federation.ts';
import { machineToken } from './metadata-server.ts';
import { serviceAccountToken } from './service-account.ts';
import type { GcpToken } from './token.ts';
import { tokenOf } from './token-answer.ts';
import { loginFaults, sortTokenRefusal } from './token-faults.ts';
import { networkFailure, refusalOf, type TokenService, tokenError } from './token-http.ts';

type Options = TokenService & { readonly authorities: Authorities; readonly scope: string };

const operation = 'RefreshLogin';

/** A token for whoever the surroundings say keyproxy is. Throws a `KmsError` with a sorted fault. */
export async function defaultToken(options: Options): Promise<GcpToken> {
  const named = process.env['GOOGLE_APPLICATION_CREDENTIALS'];
  if (named !== undefined && named !== '') return fileToken(named, 'GOOGLE_APPLICATION_CREDENTIALS', options);
  const left = join(
    process.env['CLOUDSDK_CONFIG'] ?? join(homedir(), '.config', 'gcloud'),
    'application_default_credentials.json',
  );
  const isThere = await access(left).then(
    () => true,
    () => false,
  );
  return isThere ? fileToken(left, "the Google Cloud CLI's login", options) : machineToken(options);
}

async function fileToken(path: string, setting: string, options: Options): Promise<GcpToken> {
  const json = await readCredentialFile(path, setting);
  switch (json['type']) {
    case 'service_account':
      return serviceAccountToken(json, { ...options, setting });
    case 'external_account':
      return federatedToken(json, { ...options, setting });
    default:
      return libraryToken(json, setting, options);
  }
}

/** The kinds of credentials that people have on their own machines. */
async function libraryToken(json: Fields, setting: string, { scope, timeoutMs }: Options): Promise<GcpToken> {
  const client = clientOf(json, { scope, timeoutMs }, setting);
  try {
    const { token } = await client.getAccessToken();
    const { expiry_date: end } = client.credentials;
    return tokenOf(operation, token, typeof end === 'number' ? new Date(end) : undefined);
  } catch (error) {
    throw loginError(error);
  }
}

function clientOf(json: Fields, { scope, timeoutMs }: { scope: string; timeoutMs: number }, setting: string) {
  try {
    return new GoogleAuth({ scopes: scope }).fromJSON(json, {
      transporterOptions: { timeout: timeoutMs },
      // It would log requests and answers where an environment variable says so.
      useAuthRequestParameters: false,
    });
  } catch {
    throw unusableFile(`the file of ${setting} is of no type that is known`);
  }
}

/** Nothing of the library's error is kept but status and code: it holds request and answer. */
function loginError(error: unknown): KmsError {
  const response: unknown =
    typeof error === 'object' && error !== null && 'response' in error ? error.response : undefined;
  if (typeof response !== 'object' || response === null || !('status' in response) || !('data' in response)) {
    return networkFailure(operation, error);
  }
  const data = typeof response.data === 'object' && response.data !== null ? (response.data as Fields) : undefined;
  const refusal = refusalOf(Number(response.status), data);
  return tokenError(operation, sortTokenRefusal(loginFaults, refusal), refusal.code ?? `HTTP ${refusal.status}`);
}
