/** The section `identity.token` of the daemon's file: whose service-account tokens are good, and by which keys. */
import { isLoopback, originOf } from './address.ts';
import { byDefault, optional, required, type Shape, scalar, section, type Values } from './shape.ts';
import { path, text } from './values.ts';

/** Whose tokens are good, checked; every path is absolute. */
export interface TokenIdentity {
  readonly issuer: string;
  readonly audience: string;
  readonly jwks: { readonly uri: string; readonly caFile?: string; readonly tokenFile?: string };
}

const name = text('1 to 1024 characters without spaces', /^[^\s\p{Cc}]{1,1024}$/u);

const uriType = 'an https:// URL without user, password and fragment (https://kubernetes.default.svc/openid/v1/jwks)';

const jwksUri = scalar(uriType, (value) => {
  const given = String(value);
  if (given.length > 2048 || /[\s\p{Cc}#]/u.test(given) || originOf(given) === undefined) {
    return { wrong: `must be ${uriType}` };
  }
  const url = new URL(given);
  return url.username === '' && url.password === '' ? { value: url.href } : { wrong: `must be ${uriType}` };
});

const fields = {
  issuer: required(name, "The tokens' issuer (`iss`), letter by letter: what the API server has as its issuer."),
  audience: byDefault(name, 'keyproxy', 'What a token must be projected for (`aud`).'),
  jwks_uri: required(jwksUri, "Where the issuer's keys are; for a cluster, its API server's `/openid/v1/jwks`."),
  ca_file: optional(path, "PEM file with the authority that signed that server's certificate.", "the system's"),
  token_file: optional(
    path,
    "File with keyproxy's own service-account token, where that server wants to see one; read at each fetch.",
  ),
};

/** The section as it stands in the file. */
export type TokenValues = Values<typeof fields>;

/** The shape of `identity.token`. */
export const tokenShape: Shape<TokenValues> = section(fields, (values, token) => {
  const { jwks_uri: uri } = values;
  if (token.has('ca_file') && uri?.startsWith('http:')) {
    token.problem('ca_file', 'does not go with an http:// jwks_uri; leave it out');
  }
});

/**
 * What keeps `uri` from being where keys are fetched, or undefined: whoever can change them on their way can make any
 * token. `trusted` are the origins of `trusted_endpoints`.
 */
export function jwksUriProblem(uri: string, trusted: readonly string[]): string | undefined {
  const { protocol, origin, hostname } = new URL(uri);
  if (protocol === 'https:' || trusted.includes(origin)) return undefined;
  if (isLoopback({ host: hostname.replace(/^\[|\]$/g, ''), port: 0 })) return undefined;
  return 'must begin with https://; use another, or list its origin under trusted_endpoints';
}

/** How tokens are checked; `absolute` makes paths absolute. */
export function tokenIdentity(values: TokenValues, absolute: (path: string) => string): TokenIdentity {
  const { issuer, audience, jwks_uri: uri, ca_file: caFile, token_file: tokenFile } = values;
  return {
    ...{ issuer, audience },
    jwks: {
      uri,
      ...(caFile !== undefined && { caFile: absolute(caFile) }),
      ...(tokenFile !== undefined && { tokenFile: absolute(tokenFile) }),
    },
  };
}
