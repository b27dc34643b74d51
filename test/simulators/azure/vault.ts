/**
 * A vault, or a managed HSM: from a request to the operation that it names, in the order in which the service checks.
 * First the token, then the firewall, the version of the API, the permission, and last the key itself.
 *
 * Source: the REST reference of Key Vault keys. What the reference has and nobody here needs (signing, backup, import,
 * release, rotation policies) is no answer but a failure of the simulator.
 */
import type { Notes, Reply, Request, Service, ServiceError } from './answering.ts';
import { deletedKeyOperations } from './deleted-key-operations.ts';
import { keyOperations } from './key-operations.ts';
import { bearerOf, identify, passFirewall, permit } from './vault-access.ts';
import { badParameter, injectedVaultError, plain, refusal } from './vault-errors.ts';
import type { Vault, VaultOperation } from './vault-operation.ts';

const operations: Readonly<Record<string, VaultOperation>> = { ...keyOperations, ...deletedKeyOperations };

/** The versions of the API that it speaks. */
const apiVersions = ['2016-10-01', '7.0', '7.1', '7.2', '7.3', '7.4', '7.5', '7.6', '2025-07-01'];

/** Paths that the reference has beyond those here, by their last part. */
const elsewhere = /^(?:sign|verify|backup|restore|create|import|release|rotate|rotationpolicy|attestation|rng)$/i;

/** The vault as a service. */
export function vaultService(vault: Vault): Service {
  return {
    name: 'vault',
    handle: (request, { notes, meetFaults }) => handle(request, { vault, notes, meetFaults }),
    fail: (fault) => injectedVaultError(fault),
    throttled: () => throttled(),
    headers: ({ requestId }, request) => headersOf(vault, requestId, request),
  };
}

function headersOf({ gate }: Vault, requestId: string, request: Request): Record<string, string> {
  const clientRequestId = request.headers.get('x-ms-client-request-id');
  return {
    'cache-control': 'no-cache',
    'x-ms-request-id': requestId,
    ...(clientRequestId !== undefined && { 'x-ms-client-request-id': clientRequestId }),
    'x-ms-keyvault-region': 'eastus',
    'x-content-type-options': 'nosniff',
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    ...(gate.model === 'local-rbac'
      ? { 'x-ms-server-latency': '1' }
      : {
          'x-ms-keyvault-service-version': '1.9.2784.1',
          'x-ms-keyvault-network-info': 'conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;',
        }),
  };
}

async function handle(
  request: Request,
  { vault, notes, meetFaults }: { vault: Vault; notes: Notes; meetFaults: () => Promise<void> },
): Promise<Reply> {
  const { gate } = vault;
  const route = routeOf(request);
  if (route.name !== '') notes.key = route.name;
  if (route.version !== '') notes.keyVersion = route.version;
  if (bearerOf(request) === undefined) {
    notes.operation = 'challenge';
    await meetFaults();
  }
  const caller = await identify(request, gate);
  notes.clientId = caller.clientId;
  notes.operation = route.operation ?? '';
  await meetFaults();
  if (!vault.rateLimit.admits(gate.vaultName, '')) throw throttled();
  passFirewall(caller, gate);
  checkApiVersion(request);
  const operation = route.operation === undefined ? undefined : operations[route.operation];
  if (operation === undefined) throw unknownPath(request);
  checkNames(route);
  permit(caller, operation.permission, { gate, key: route.name === '' ? undefined : route.name });
  return operation.run({ vault, request, notes, name: route.name, version: route.version });
}

function throttled(): ServiceError {
  const why = 'Reason: VaultRequestTypeLimitReached';
  return refusal(
    'VaultRequestTypeLimitReached',
    `Request was not processed because too many requests were received. ${why}`,
  );
}

interface Route {
  readonly operation: string | undefined;
  readonly name: string;
  readonly version: string;
}

/** Which operation a path and method name; words of the path are the same in every case, as the service has it. */
function routeOf({ method, path }: Request): Route {
  const parts = path.replace(/\/$/, '').split('/').slice(1);
  for (const [operation, { method: wanted, paths }] of Object.entries(operations)) {
    if (wanted !== method) continue;
    for (const pattern of paths) {
      const found = match(pattern.split('/'), parts);
      if (found !== undefined) return { operation, ...found };
    }
  }
  return { operation: undefined, name: parts[1] ?? '', version: '' };
}

function match(pattern: readonly string[], parts: readonly string[]): { name: string; version: string } | undefined {
  if (pattern.length !== parts.length) return undefined;
  const found = { name: '', version: '' };
  for (const [at, wanted] of pattern.entries()) {
    const part = parts[at] ?? '';
    if (wanted === ':name') found.name = part;
    else if (wanted === ':version') found.version = part;
    else if (wanted !== part.toLowerCase()) return undefined;
  }
  return found;
}

function unknownPath({ method, path }: Request): Error {
  const parts = path.replace(/\/$/, '').split('/').slice(1);
  const last = parts.at(-1) ?? '';
  if (elsewhere.test(last) || ['PUT', 'PATCH'].includes(method)) {
    return new Error(`the Azure simulator does not know ${method} ${path}`);
  }
  if (!['keys', 'deletedkeys'].includes(parts[0]?.toLowerCase() ?? '')) return plain('NotFound', 404, 'Not found');
  return badParameter(`Method ${method} does not allow operation '${last.slice(0, 127)}'`);
}

function checkNames({ name, version }: Route): void {
  if (name !== '' && !/^[A-Za-z0-9-]{1,127}$/.test(name)) {
    throw badParameter('The request URI contains an invalid name.');
  }
  if (version !== '' && !/^[0-9a-f]{32}$/i.test(version)) {
    throw badParameter('The request URI contains an invalid version.');
  }
}

function checkApiVersion({ query }: Request): void {
  const version = query.get('api-version') ?? '';
  if (version === '') throw badParameter('api-version must be specified');
  if (apiVersions.includes(version)) return;
  const latest = `Consider using the latest supported version (${apiVersions.at(-1)}).`;
  throw badParameter(`The specified version (${version.slice(0, 32)}) is not recognized. ${latest}`);
}
