/**
 * Entra ID as an application meets it that logs in by itself: the token endpoint with the client credentials flow, and
 * the documents that a library reads before it trusts an authority.
 *
 * Sources: "OAuth 2.0 client credentials flow on the Microsoft identity platform" (all three cases of it but the
 * certificate), "OpenID Connect on the Microsoft identity platform", and what `@azure/msal-node` sends and reads.
 */
import { type AccessTokens, issuerOf, tokenSeconds } from './access-tokens.ts';
import { type Notes, type Reply, type Request, type Service, ServiceError } from './answering.ts';
import { authenticate } from './client-authentication.ts';
import type { Directory, Tenant } from './directory.ts';
import { aadsts, type ErrorContext, injectedEntraError } from './entra-errors.ts';
import { printable, required } from './entra-request.ts';

/** Resources that tokens can be had for: the two that hold keys, and one that the vaults do not accept. */
const resources = ['https://vault.azure.net', 'https://managedhsm.azure.net', 'https://management.azure.com'];

export interface Entra {
  readonly directory: Directory;
  readonly tokens: AccessTokens;
  readonly now: () => number;
  /** Its origin as clients write it, known once it listens. */
  readonly origin: () => string;
}

/** What one request to the directory is answered with. */
interface Question {
  readonly entra: Entra;
  readonly request: Request;
  readonly notes: Notes;
  readonly errors: ErrorContext;
  readonly meetFaults: () => Promise<void>;
}

/** The directory as a service. */
export function entraService(entra: Entra): Service {
  const context = (notes: Notes, request?: Request): ErrorContext => ({
    requestId: notes.requestId,
    correlationId: request?.headers.get('client-request-id'),
    now: entra.now(),
  });
  return {
    name: 'entra',
    handle: (request, { notes, meetFaults }) =>
      route({ entra, request, notes, meetFaults, errors: context(notes, request) }),
    fail: (fault, notes) => injectedEntraError(fault, context(notes)),
    throttled: (notes) => aadsts(90055, 'There are too many incoming requests.', context(notes)),
    headers: ({ requestId }, request) => ({
      'cache-control': 'no-store, no-cache',
      pragma: 'no-cache',
      'strict-transport-security': 'max-age=31536000; includeSubDomains',
      'x-content-type-options': 'nosniff',
      'x-ms-request-id': requestId,
      'client-request-id': request.headers.get('client-request-id') ?? requestId,
    }),
  };
}

const endpoints: Readonly<
  Record<
    string,
    { operation: string; method: 'GET' | 'POST'; run: (question: Question, tenant: Tenant) => Promise<Reply> }
  >
> = {
  '/oauth2/v2.0/token': { operation: 'token', method: 'POST', run: issueToken },
  '/v2.0/.well-known/openid-configuration': { operation: 'openIdConfiguration', method: 'GET', run: configuration },
  '/discovery/v2.0/keys': { operation: 'signingKeys', method: 'GET', run: signingKeys },
};

async function route(question: Question): Promise<Reply> {
  const { entra, request, notes, errors, meetFaults } = question;
  if (request.path === '/common/discovery/instance') {
    notes.operation = 'instanceDiscovery';
    await meetFaults();
    return instanceDiscovery(question);
  }
  const [, name = '', rest = ''] = /^\/([^/]+)(\/.*)$/.exec(request.path) ?? [];
  const endpoint = endpoints[rest];
  if (endpoint === undefined) throw new ServiceError({ code: 'NotFound', status: 404 });
  notes.operation = endpoint.operation;
  await meetFaults();
  if (request.method !== endpoint.method) throw new ServiceError({ code: 'MethodNotAllowed', status: 405 });
  const tenant = entra.directory.tenant(name);
  if (tenant === undefined) throw unknownTenant(name, errors);
  return endpoint.run(question, tenant);
}

function unknownTenant(name: string, errors: ErrorContext): ServiceError {
  if (!/^[\w-]+(\.[\w-]+)*$/.test(name)) {
    return aadsts(
      900023,
      `Specified tenant identifier is neither a valid DNS name, nor a valid external domain.`,
      errors,
    );
  }
  const advice = 'Check to make sure you have the correct tenant ID and are signing into the correct cloud.';
  return aadsts(90002, `Tenant '${name}' not found. ${advice}`, errors);
}

async function issueToken({ entra, request, notes, errors }: Question, tenant: Tenant): Promise<Reply> {
  const form = request.headers.get('content-type')?.startsWith('application/x-www-form-urlencoded') ?? false;
  const fields = new URLSearchParams(form ? request.body.toString('utf8') : '');
  const grant = required(fields, 'grant_type', errors);
  if (grant !== 'client_credentials') {
    throw aadsts(70003, `The app requested an unsupported grant type '${printable(grant)}'.`, errors);
  }
  const application = await authenticate(fields, { ...entra, tenant, errors, notes });
  const audience = audienceOf(required(fields, 'scope', errors), errors);
  const { clientId, objectId } = application;
  const { token } = await entra.tokens.issue({ clientId, objectId, tenant: tenant.id }, audience);
  return {
    body: { token_type: 'Bearer', expires_in: tokenSeconds, ext_expires_in: tokenSeconds, access_token: token },
  };
}

function audienceOf(scope: string, errors: ErrorContext): string {
  const resource = /^(\S+)\/\.default$/.exec(scope)?.[1];
  if (resource === undefined) {
    const rule = 'Client credential flows must have a scope value with /.default suffixed to the resource identifier.';
    throw aadsts(1002012, `The provided value for scope ${printable(scope)} is not valid. ${rule}`, errors);
  }
  // Libraries add the slash that an identifier of a resource ends with in some of Microsoft's own clouds.
  const named = resource.replace(/\/$/, '');
  if (resources.includes(named)) return named;
  throw aadsts(500011, `The resource principal named ${printable(named)} was not found in the tenant.`, errors);
}

async function configuration({ entra }: Question, tenant: Tenant): Promise<Reply> {
  const base = `${entra.origin()}/${tenant.id}`;
  return {
    body: {
      token_endpoint: `${base}/oauth2/v2.0/token`,
      token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
      jwks_uri: `${base}/discovery/v2.0/keys`,
      response_modes_supported: ['query', 'fragment', 'form_post'],
      subject_types_supported: ['pairwise'],
      id_token_signing_alg_values_supported: ['RS256'],
      response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
      scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
      issuer: `${base}/v2.0`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      end_session_endpoint: `${base}/oauth2/v2.0/logout`,
      tenant_region_scope: 'EU',
      cloud_instance_name: 'microsoftonline.com',
    },
  };
}

async function signingKeys({ entra }: Question, tenant: Tenant): Promise<Reply> {
  const { kid, publicKey } = await entra.tokens.signingKey();
  const { n, e } = publicKey.export({ format: 'jwk' });
  return { body: { keys: [{ kty: 'RSA', use: 'sig', kid, n, e, issuer: issuerOf(tenant.id) }] } };
}

/** Tells a library whether an authority is one of Microsoft's; this one knows no other than itself. */
function instanceDiscovery({ entra, request, errors }: Question): Reply {
  const asked = request.query.get('authorization_endpoint') ?? '';
  const origin = entra.origin();
  const tenant = /^\/([^/]+)\/oauth2\/v2\.0\/authorize$/.exec(
    asked.startsWith(origin) ? asked.slice(origin.length) : '',
  );
  if (tenant === null) throw aadsts(50049, 'Unknown or invalid instance.', errors);
  const { host } = new URL(origin);
  return {
    body: {
      tenant_discovery_endpoint: `${origin}/${tenant[1]}/v2.0/.well-known/openid-configuration`,
      'api-version': '1.1',
      metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
    },
  };
}
