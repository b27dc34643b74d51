/**
 * `oauth2.googleapis.com/token`: a service account proves itself by a signature of its own.
 *
 * Source: "Using OAuth 2.0 for server to server applications", HTTP/REST
 * (https://developers.google.com/identity/protocols/oauth2/service-account).
 */
import { claim, type Jwt, parseJwt, signedBy, timeClaim } from './jwt.ts';
import { json, OAuthError, type TokenAnswer, type TokenRequest } from './token-request.ts';

const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** What libraries name as audience, whichever host they reach. */
const ownName = 'https://oauth2.googleapis.com/token';
const longestLife = 3600;
/** How far a clock may be off, in seconds. */
const skew = 300;

/** Exchanges a signed assertion for an access token. */
export function exchangeAssertion(request: TokenRequest): TokenAnswer {
  const { cloud, body } = request;
  const parameters = new URLSearchParams(body);
  const given = parameters.get('grant_type');
  if (given !== grantType) throw new OAuthError('unsupported_grant_type', `Invalid grant_type: ${given ?? ''}`);
  const jwt = parseJwt(parameters.get('assertion') ?? '');
  if (jwt === undefined) throw new OAuthError('invalid_grant', 'Invalid JWT: the assertion cannot be parsed.');
  const account = cloud.accounts.get(claim(jwt, 'iss'));
  if (account === undefined) throw new OAuthError('invalid_grant', 'Invalid grant: account not found');
  if (!signedBy(jwt, account.keys.values())) throw new OAuthError('invalid_grant', 'Invalid JWT Signature.');
  request.identify(account.email);
  checkClaims(jwt, { audiences: [ownName, `${request.origin}/token`], now: cloud.now() / 1000 });
  const scopes = claim(jwt, 'scope').split(' ').filter(Boolean);
  if (scopes.length === 0) throw new OAuthError('invalid_scope', 'Empty or missing scope not allowed.');
  const { token } = cloud.tokens.issue({ principal: account.email, project: account.project, scopes });
  return json({ access_token: token, expires_in: longestLife - 1, token_type: 'Bearer' });
}

function checkClaims(jwt: Jwt, { audiences, now }: { audiences: readonly string[]; now: number }): void {
  if (!audiences.includes(claim(jwt, 'aud'))) {
    throw new OAuthError('invalid_grant', `Invalid JWT: Failed audience check. The right audience is ${ownName}`);
  }
  const issuedAt = timeClaim(jwt, 'iat');
  const expiresAt = timeClaim(jwt, 'exp');
  const fine =
    issuedAt <= now + skew && expiresAt > now - skew && expiresAt > issuedAt && expiresAt - issuedAt <= longestLife;
  if (!fine) {
    const rule = 'Token must be a short-lived token (60 minutes) and in a reasonable timeframe.';
    throw new OAuthError('invalid_grant', `Invalid JWT: ${rule} Check your iat and exp values in the JWT claim.`);
  }
  // Acting as a person needs domain-wide delegation, which no account here has.
  const subject = claim(jwt, 'sub');
  if (subject !== '' && subject !== claim(jwt, 'iss')) {
    throw new OAuthError(
      'unauthorized_client',
      'Client is unauthorized to retrieve access tokens using this method.',
      401,
    );
  }
}
