/**
 * What spans say: names of attributes and of events, in one place (docs/tracing.md). Those without our prefix are
 * OpenTelemetry's (https://opentelemetry.io/docs/specs/semconv/rpc/grpc, version 1.45).
 */

export const attribute = {
  rpcSystem: 'rpc.system.name',
  rpcMethod: 'rpc.method',
  rpcStatus: 'rpc.response.status_code',
  errorType: 'error.type',
  serverAddress: 'server.address',
  tenant: 'keyproxy.tenant',
  /** Of the last key that the cache was asked for: `hit`, `miss` or `coalesced`. */
  cache: 'keyproxy.cache.result',
  provider: 'keyproxy.kms.provider',
  operation: 'keyproxy.kms.operation',
  outcome: 'keyproxy.kms.outcome',
  requestId: 'keyproxy.kms.request_id',
  providerCode: 'keyproxy.kms.provider_code',
} as const;

/** One attempt at a call to a key service has ended; more than one where it was repeated. */
export const attemptEvent = 'keyproxy.kms.attempt';

/**
 * Codes that are an error of the server's and not of its caller's, as the conventions for gRPC have it.
 */
export const serverErrors: ReadonlySet<string> = new Set([
  'UNKNOWN',
  'DEADLINE_EXCEEDED',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
]);
