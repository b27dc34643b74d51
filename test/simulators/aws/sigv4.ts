/**
 * Checks AWS Signature Version 4 on a request, from the bytes that came, and tells who signed it.
 *
 *     canonical request = method \n path \n query \n each signed header "name:value\n" \n names \n SHA-256(body)
 *     string to sign    = AWS4-HMAC-SHA256 \n x-amz-date \n scope \n SHA-256(canonical request)
 *     scope             = date/region/service/aws4_request, each part one more HMAC on the way to the signing key
 *
 * Source: IAM user guide, "Create a signed AWS API request". Signatures in the query string are not accepted.
 */
import { createHash, createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { type IdentityProblem, identityError, type ServiceName } from './errors.ts';
import type { Principal, StoredCredentials } from './identities.ts';

/** A request as it came, with nothing normalised. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query, as on the request line. */
  readonly target: string;
  /** Names in lower case, every value that came. */
  readonly headers: Readonly<Record<string, readonly string[] | undefined>>;
  readonly body: Buffer;
}

/** How far the signing time may be from the service's own, in milliseconds. */
const allowedSkew = 5 * 60_000;

const authorizationForm =
  /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/(\d{8})\/([^/,\s]+)\/([^/,\s]+)\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/;
const timeForm = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/;
const regionForm = /^[a-z]{2}(-[a-z]+)+-\d$/;

interface Authorization {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: Buffer;
}

/** Who signed, and the region of the scope: the one the client believes it talks to. */
export interface Signer {
  readonly principal: Principal;
  readonly region: string;
}

/**
 * Returns the signer, or throws the ServiceError of `service` for a request that carries no signature, an incomplete
 * one, an unknown or expired credential, a wrong scope, a time more than five minutes away, or a wrong signature.
 */
export function verifySignature(
  request: SignedRequest,
  options: { service: ServiceName; now: number; find: (accessKeyId: string) => StoredCredentials | undefined },
): Signer {
  const fail = (problem: IdentityProblem, message: string): never => {
    throw identityError(options.service, problem, message);
  };
  const authorization = parseAuthorization(request, fail);
  checkSignedHeaders(request, authorization.signedHeaders, fail);
  const stored = options.find(authorization.accessKeyId);
  if (stored === undefined) return fail('unknown', 'The security token included in the request is invalid.');
  checkToken(request, stored, options.now, fail);
  const time = request.headers['x-amz-date']?.[0] ?? '';
  checkScope(authorization, { time, service: options.service, fail });
  checkTime(time, options.now, fail);
  const scope = [authorization.date, authorization.region, options.service, 'aws4_request'];
  const stringToSign = ['AWS4-HMAC-SHA256', time, scope.join('/'), sha256(canonicalRequest(request, authorization))];
  const expected = createHmac('sha256', signingKey(stored.signingRoot, scope)).update(stringToSign.join('\n')).digest();
  if (!timingSafeEqual(expected, authorization.signature)) fail('signature', mismatch);
  return { principal: stored.principal, region: authorization.region };
}

const mismatch =
  'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.';

type Fail = (problem: IdentityProblem, message: string) => never;

function parseAuthorization(request: SignedRequest, fail: Fail): Authorization {
  const values = request.headers['authorization'];
  if (values === undefined) return fail('missing', 'Request is missing Authentication Token');
  const match = values.length === 1 ? authorizationForm.exec(values[0] ?? '') : null;
  if (match === null) return fail('incomplete', 'Authorization header does not have the form of AWS4-HMAC-SHA256.');
  const [, accessKeyId = '', date = '', region = '', service = '', headers = '', signature = ''] = match;
  return {
    accessKeyId,
    date,
    region,
    service,
    signedHeaders: headers.split(';'),
    signature: Buffer.from(signature, 'hex'),
  };
}

/** An unsigned `x-amz-` header or host could be changed on the way, so AWS wants all of them signed. */
function checkSignedHeaders(request: SignedRequest, signed: readonly string[], fail: Fail): void {
  const required = Object.keys(request.headers).filter((name) => name === 'host' || name.startsWith('x-amz-'));
  const unsigned = ['host', ...required].filter((name) => !signed.includes(name));
  if (unsigned.length > 0) fail('signature', `'${unsigned[0]}' must be a 'SignedHeader' in the AWS Authorization.`);
  const absent = signed.find((name) => request.headers[name] === undefined);
  if (absent !== undefined) fail('signature', mismatch);
  if (signed.join() !== [...new Set(signed)].sort().join()) fail('signature', mismatch);
  if (request.headers['x-amz-date']?.length !== 1) {
    fail('incomplete', "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
  }
}

function checkToken(request: SignedRequest, stored: StoredCredentials, now: number, fail: Fail): void {
  const token = request.headers['x-amz-security-token']?.join();
  const roleGone = stored.principal.kind === 'session' && stored.principal.role.removed;
  if (token !== stored.sessionToken || roleGone) {
    fail('unknown', 'The security token included in the request is invalid.');
  }
  if (stored.expiresAt !== undefined && stored.expiresAt <= now) {
    fail('expired', 'The security token included in the request is expired');
  }
}

function checkScope(given: Authorization, expected: { time: string; service: ServiceName; fail: Fail }): void {
  if (!regionForm.test(given.region)) {
    expected.fail('signature', 'Credential should be scoped to a valid region.');
  }
  if (given.service !== expected.service) {
    expected.fail('signature', `Credential should be scoped to correct service: '${expected.service}'. `);
  }
  if (!expected.time.startsWith(given.date)) {
    const day = expected.time.slice(0, 8);
    expected.fail(
      'signature',
      `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${given.date}' != '${day}', from '${expected.time}'.`,
    );
  }
}

function checkTime(time: string, now: number, fail: Fail): void {
  if (!timeForm.test(time)) fail('incomplete', 'Date must be in ISO-8601 basic format.');
  const signedAt = Date.parse(time.replace(timeForm, '$1-$2-$3T$4:$5:$6Z'));
  if (Number.isNaN(signedAt)) fail('incomplete', 'Date must be in ISO-8601 basic format.');
  if (signedAt < now - allowedSkew) {
    const limit = basicTime(now - allowedSkew);
    fail('signature', `Signature expired: ${time} is now earlier than ${limit} (${basicTime(now)} - 5 min.)`);
  }
  if (signedAt > now + allowedSkew) {
    const limit = basicTime(now + allowedSkew);
    fail('signature', `Signature not yet current: ${time} is still later than ${limit} (${basicTime(now)} + 5 min.)`);
  }
}

function basicTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

function signingKey(root: KeyObject, scope: readonly string[]): Buffer | KeyObject {
  return scope.reduce<Buffer | KeyObject>((key, part) => createHmac('sha256', key).update(part).digest(), root);
}

/** Both services live at `/` without a query; whatever came elsewhere has been turned away before. */
function canonicalRequest(request: SignedRequest, { signedHeaders }: Authorization): string {
  const headers = signedHeaders.map((name) => {
    const values = (request.headers[name] ?? []).map((value) => value.trim().replace(/ +/g, ' '));
    return `${name}:${values.join(',')}\n`;
  });
  return [request.method, '/', '', headers.join(''), signedHeaders.join(';'), sha256(request.body)].join('\n');
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
