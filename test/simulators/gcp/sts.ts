/**
 * `sts.googleapis.com/v1/token`: a token of a foreign issuer becomes one of Google's.
 *
 * Source: Security Token Service API, method token
 * (https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token); "Workload identity federation".
 */
import type { WorkloadProvider } from './cloud.ts';
import { claim, type Jwt, parseJwt, signedBy, timeClaim } from './jwt.ts';
import { json, OAuthError, type TokenAnswer, type TokenRequest } from './token-request.ts';
import { tokenSeconds } from './tokens.ts';

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const subjectTypes = ['urn:ietf:params:oauth:token-type:jwt', 'urn:ietf:params:oauth:token-type:id_token'];
/** The longest life of a subject token, in seconds: 24 hours. */
const longestSubjectLife = 86_400;

/** Exchanges a subject token; the answer's holder is `principal://…/subject/…`. */
export function exchangeSubject(request: TokenRequest): TokenAnswer {
  const { cloud } = request;
  const parameters = parametersOf(request);
  const demanded = (name: string, allowed?: readonly string[]): string => {
    const value = parameters.get(name) ?? '';
    if (value === '') throw new OAuthError('invalid_request', `Missing required field: ${name}.`);
    if (allowed !== undefined && !allowed.includes(value)) {
      throw new OAuthError('invalid_request', `Invalid value for "${name}".`);
    }
    return value;
  };
  demanded('grant_type', [exchange]);
  demanded('requested_token_type', [accessToken]);
  demanded('subject_token_type', subjectTypes);
  const scopes = demanded('scope').split(' ').filter(Boolean);
  const provider = cloud.providers.get(demanded('audience'));
  if (provider === undefined || provider.disabled) {
    const why =
      'This might either be because the pool or provider is disabled or deleted or because it does not exist.';
    throw new OAuthError(
      'invalid_target',
      `The target service indicated by the "audience" parameters is invalid. ${why}`,
    );
  }
  const subject = checkSubject(demanded('subject_token'), provider, cloud.now() / 1000);
  const principal = `principal://${provider.pool}/subject/${subject}`;
  request.identify(principal);
  const { token } = cloud.tokens.issue({ principal, project: provider.project, scopes });
  return json({ access_token: token, issued_token_type: accessToken, token_type: 'Bearer', expires_in: tokenSeconds });
}

/** The form may be that of a web form or JSON with the same names in camel case. */
function parametersOf({ headers, body }: TokenRequest): { get(name: string): string | null } {
  if (!(headers['content-type'] ?? '').startsWith('application/json')) return new URLSearchParams(body);
  let fields: Map<string, unknown>;
  try {
    fields = new Map(Object.entries(JSON.parse(body) ?? {}));
  } catch {
    throw new OAuthError('invalid_request', 'Invalid JSON payload received.');
  }
  return {
    get: (name) => {
      const value = fields.get(name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()));
      return typeof value === 'string' ? value : null;
    },
  };
}

function checkSubject(token: string, provider: WorkloadProvider, now: number): string {
  const jwt = parseJwt(token);
  if (jwt === undefined) throw new OAuthError('invalid_request', 'Unable to parse the ID Token.');
  const issuer = claim(jwt, 'iss');
  if (issuer !== provider.issuer) {
    throw new OAuthError('invalid_grant', `The issuer in ID Token ${issuer} does not match the expected ones.`);
  }
  if (!signedBy(jwt, [provider.publicKey])) {
    throw new OAuthError(
      'invalid_grant',
      'Error connecting the given credential: the signature of the ID Token is invalid.',
    );
  }
  checkTimes(jwt, now);
  if (!audiencesOf(jwt).some((audience) => provider.allowedAudiences.includes(audience))) {
    throw new OAuthError('invalid_grant', 'The audience in ID Token does not match the expected audience.');
  }
  const subject = claim(jwt, 'sub');
  if (subject === '' || subject.length > 127) {
    throw new OAuthError('invalid_grant', 'The mapped attribute google.subject must be of length 1 to 127 bytes.');
  }
  if (provider.allowedSubjects?.has(subject) === false) {
    throw new OAuthError('unauthorized_client', 'The given credential is rejected by the attribute condition.');
  }
  return subject;
}

function checkTimes(jwt: Jwt, now: number): void {
  const issuedAt = timeClaim(jwt, 'iat');
  const expiresAt = timeClaim(jwt, 'exp');
  if (!(expiresAt > now)) throw new OAuthError('invalid_grant', `ID Token issued at ${issuedAt} is stale to sign-in.`);
  if (!(issuedAt <= now + 300 && expiresAt - issuedAt <= longestSubjectLife)) {
    throw new OAuthError('invalid_grant', 'The ID Token was issued in the future or lives longer than 24 hours.');
  }
}

function audiencesOf(jwt: Jwt): readonly string[] {
  const audience = jwt.claims['aud'];
  const audiences = Array.isArray(audience) ? audience : [audience];
  return audiences.filter((name) => typeof name === 'string');
}
