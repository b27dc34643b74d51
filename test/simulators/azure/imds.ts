/**
 * The metadata service of a virtual machine, as far as it hands out tokens of the machine's managed identities.
 *
 * Source: "How to use managed identities for Azure resources on an Azure VM to acquire an access token", its section
 * "Error handling", and "Azure Instance Metadata Service". Real tokens live for about a day; these live for an hour,
 * like all of this simulator. The service keeps a token and hands it out again until half of its life is over.
 */
import type { AccessTokens } from './access-tokens.ts';
import { tokenSeconds } from './access-tokens.ts';
import { type Notes, type Reply, type Request, type Service, ServiceError } from './answering.ts';
import type { ApplicationRecord, Directory } from './directory.ts';

/** An identity that the machine has. */
export interface AssignedIdentity {
  readonly record: ApplicationRecord;
  readonly assignment: 'system' | 'user';
}

export interface Imds {
  readonly identities: AssignedIdentity[];
  readonly directory: Directory;
  readonly tokens: AccessTokens;
  readonly now: () => number;
  readonly cache: Map<string, CachedToken>;
}

/** A token that is handed out again. */
export interface CachedToken {
  readonly token: string;
  /** Both in seconds since 1970. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

const tokenPath = '/metadata/identity/oauth2/token';
/** The versions that the path is documented with. */
const versions = ['2018-02-01', '2019-08-01', '2019-11-01', '2020-06-01', '2021-02-01', '2023-07-01'];
const resources = ['https://vault.azure.net', 'https://managedhsm.azure.net', 'https://management.azure.com'];

/** The metadata service as a service. */
export function imdsService(imds: Imds): Service {
  return {
    name: 'imds',
    handle: (request, { notes, meetFaults }) => handle(request, { imds, notes, meetFaults }),
    fail: ({ code, status, message = 'the fault that a test asked for' }) => failure(code, message, status),
    throttled: () => failure('too_many_requests', 'Too many requests', 429),
    headers: ({ requestId }) => ({ server: 'IMDS/150.870.65.1854', 'x-ms-request-id': requestId }),
  };
}

async function handle(
  request: Request,
  { imds, notes, meetFaults }: { imds: Imds; notes: Notes; meetFaults: () => Promise<void> },
): Promise<Reply> {
  const { headers, path, query, method } = request;
  const marked = headers.get('metadata')?.toLowerCase() === 'true';
  notes.operation = marked ? 'token' : 'probe';
  await meetFaults();
  // Microsoft's library ends the path with a slash when it is told where the service is.
  if (path.replace(/\/$/, '') !== tokenPath)
    throw new ServiceError({ code: 'not_found', status: 404, body: { error: 'Not found' } });
  if (!marked) throw failure('bad_request_102', 'Required metadata header not specified');
  // A request that a proxy has passed on may come from outside of the machine.
  if (headers.has('x-forwarded-for')) throw failure('bad_request_103', 'Forwarded requests are not supported');
  if (method !== 'GET') throw failure('method_not_allowed', 'The method is not allowed', 405);
  const version = query.get('api-version') ?? '';
  if (version === '') throw failure('bad_request', 'api-version was not specified in the request');
  if (!versions.includes(version))
    throw failure('bad_request', `api-version ${versions.at(-1)} and older are supported`);
  const resource = (query.get('resource') ?? '').replace(/\/$/, '');
  if (resource === '') throw failure('invalid_request', "Required query variable 'resource' is missing");
  const record = chosen(query, imds);
  notes.clientId = record.clientId;
  if (!resources.includes(resource)) {
    throw failure('invalid_resource', 'AADSTS500011: The resource principal was not found in the tenant.');
  }
  return { body: await tokenFor(record, resource, imds) };
}

function failure(error: string, description: string, status = 400): ServiceError {
  return new ServiceError({ code: error, status, body: { error, error_description: description } });
}

/** Which of the machine's identities a request is about: the one that it names, else the only one that it can mean. */
function chosen(query: URLSearchParams, { identities }: Imds): ApplicationRecord {
  const clientId = query.get('client_id')?.toLowerCase() ?? null;
  const objectId = query.get('object_id') ?? query.get('principal_id');
  const notFound = failure('invalid_request', 'Identity not found');
  if (clientId !== null || objectId !== null) {
    const named = identities.find(({ record }) => record.clientId === clientId || record.objectId === objectId);
    if (named === undefined) throw notFound;
    return named.record;
  }
  const system = identities.find(({ assignment }) => assignment === 'system');
  if (system !== undefined) return system.record;
  const [first, second] = identities;
  if (first === undefined) throw notFound;
  if (second === undefined) return first.record;
  const hint = 'please specify the clientId / resourceId of the identity in the token request';
  throw failure('invalid_request', `Multiple user assigned identities exist, ${hint}`);
}

async function tokenFor(record: ApplicationRecord, resource: string, imds: Imds): Promise<object> {
  const { clientId, objectId, tenant } = record;
  if (!record.enabled || !imds.directory.isEnabled(clientId)) {
    throw failure('unauthorized_client', `AADSTS7000112: Application '${clientId}' is disabled.`);
  }
  const name = `${clientId} ${resource}`;
  const now = Math.floor(imds.now() / 1000);
  const cached = imds.cache.get(name);
  const fresh = cached !== undefined && cached.issuedAt <= now && now < cached.issuedAt + tokenSeconds / 2;
  const held = fresh ? cached : await imds.tokens.issue({ clientId, objectId, tenant }, resource);
  imds.cache.set(name, held);
  // Numbers are strings here, unlike in answers of Entra.
  return {
    access_token: held.token,
    client_id: clientId,
    expires_in: String(held.expiresAt - now),
    expires_on: String(held.expiresAt),
    ext_expires_in: String(tokenSeconds),
    not_before: String(held.issuedAt),
    resource,
    token_type: 'Bearer',
  };
}
