/**
 * A service account's own key: what it signs is exchanged for a token
 * (https://developers.google.com/identity/protocols/oauth2/service-account#httprest).
 */

import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import type { Authorities } from '../authorities.ts';
import type { Fields } from '../fields.ts';
import { textField, unusableFile } from './credential-file.ts';
import type { GcpToken } from './token.ts';
import { tokenFromExchange } from './token-answer.ts';
import { signatureFaults } from './token-faults.ts';
import { askTokenService, type TokenService } from './token-http.ts';

const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** How long a signature may be used, in seconds; the token has a life of its own. */
const assertionSeconds = 600;

/**
 * A token for the service account whose key `json` holds. It comes from the daemon's authority or Google's own: the
 * file's `token_uri` is not followed, for it would say where the signature goes.
 */
export async function serviceAccountToken(
  json: Fields,
  options: TokenService & { readonly authorities: Authorities; readonly scope: string; readonly setting: string },
): Promise<GcpToken> {
  const { authorities, scope, setting, clock } = options;
  const url = `${authorities.gcpOauth2 ?? 'https://oauth2.googleapis.com'}/token`;
  const issued = Math.floor(clock.now() / 1000);
  const claims = {
    iss: textField(json, 'client_email', setting),
    scope,
    aud: url,
    iat: issued,
    exp: issued + assertionSeconds,
  };
  const keyId = json['private_key_id'];
  const header = { alg: 'RS256', typ: 'JWT', ...(typeof keyId === 'string' && { kid: keyId }) };
  const assertion = signed(header, claims, privateKeyOf(json, setting));
  const answer = await askTokenService(options, {
    operation: 'ExchangeSignature',
    url,
    body: new URLSearchParams({ grant_type: grantType, assertion }),
    faults: signatureFaults,
  });
  return tokenFromExchange('ExchangeSignature', answer, clock);
}

function privateKeyOf(json: Fields, setting: string): KeyObject {
  const pem = textField(json, 'private_key', setting);
  try {
    return createPrivateKey(pem);
  } catch {
    // Its error may quote what it could not read.
    throw unusableFile(`the private_key in the file of ${setting} is not a PEM key`);
  }
}

function signed(header: object, claims: object, key: KeyObject): string {
  const [head, body] = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
  const content = `${head}.${body}`;
  return `${content}.${sign('sha256', Buffer.from(content), key).toString('base64url')}`;
}
