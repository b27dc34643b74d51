/**
 * Workload identity federation: a foreign token, a projected service-account token of Kubernetes say, is exchanged for
 * one of Google's (https://cloud.google.com/iam/docs/workload-identity-federation). The official library finds the
 * foreign token; the exchange is made here, so that it ends in time and goes nowhere but where it may.
 */

import { ExternalAccountClient } from 'google-auth-library';
import type { Authorities } from '../authorities.ts';
import type { Fields } from '../fields.ts';
import { unusableFile } from './credential-file.ts';
import { type FederationConfig, federationConfig } from './federation-config.ts';
import { impersonatedToken } from './impersonation.ts';
import { type GcpToken, tokenScopes } from './token.ts';
import { tokenFromExchange } from './token-answer.ts';
import { exchangeFaults } from './token-faults.ts';
import { askTokenService, networkFailure, type TokenService, tokenError } from './token-http.ts';

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const operation = 'ExchangeToken';

/** A token for whom the credential configuration `json` names. Throws a `KmsError` with a sorted fault. */
export async function federatedToken(
  json: Fields,
  options: TokenService & { readonly authorities: Authorities; readonly scope: string; readonly setting: string },
): Promise<GcpToken> {
  const { authorities, scope, setting } = options;
  const config = federationConfig(json, { authorities, setting });
  const { impersonation } = config;
  if (impersonation === undefined) return exchanged(config, json, { ...options, scope });
  const own = await exchanged(config, json, { ...options, scope: tokenScopes.iam });
  return impersonatedToken(own, { ...impersonation, scope }, options);
}

async function exchanged(
  config: FederationConfig,
  json: Fields,
  options: TokenService & { readonly scope: string; readonly setting: string },
): Promise<GcpToken> {
  const { scope, clock } = options;
  const body = new URLSearchParams({
    grant_type: grantType,
    audience: config.audience,
    scope,
    requested_token_type: accessToken,
    subject_token: await subjectToken(json, options),
    subject_token_type: config.subjectTokenType,
  });
  const answer = await askTokenService(options, { operation, url: config.tokenUrl, body, faults: exchangeFaults });
  return tokenFromExchange(operation, answer, clock);
}

/** The foreign token. Its source is somebody's own, so no failure there is anybody's refusal. */
async function subjectToken(json: Fields, { timeoutMs, setting }: TokenService & { readonly setting: string }) {
  const { service_account_impersonation_url: _, ...withoutImpersonation } = json;
  try {
    const options: object = {
      ...withoutImpersonation,
      transporterOptions: { timeout: timeoutMs },
      // It would log requests and answers where an environment variable says so.
      useAuthRequestParameters: false,
    };
    // Checked as far as it says where anything goes; the library checks the rest of it.
    const client = ExternalAccountClient.fromJSON(options as Parameters<typeof ExternalAccountClient.fromJSON>[0]);
    if (client === null) throw unusableFile(`the file of ${setting} is no external account`);
    return await client.retrieveSubjectToken();
  } catch (error) {
    throw subjectTokenError(error, setting);
  }
}

function subjectTokenError(error: unknown, setting: string): Error {
  const isNetwork = typeof error === 'object' && error !== null && 'config' in error;
  if (isNetwork) return networkFailure('GetSubjectToken', error);
  return tokenError(
    'GetSubjectToken',
    { fault: { kind: 'credentials' }, advice: `check the credential_source in the file of ${setting}` },
    'NoSubjectToken',
  );
}
