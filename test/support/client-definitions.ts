/**
 * Services beside keyproxy's own, and the details of an error, as protobufjs reads them: an implementation that shares
 * no code with the daemon's.
 */
import { resolve } from 'node:path';
import { fromJSON, loadSync, type MethodDefinition } from '@grpc/proto-loader';

const unary = (type: string) => ({ requestType: type, responseType: type, comment: '' });

const rpc = {
  nested: {
    // A service of no server: its methods lend their codecs.
    Details: {
      methods: {
        Status: unary('Status'),
        ErrorInfo: unary('ErrorInfo'),
        RetryInfo: unary('RetryInfo'),
      },
    },
    Any: { fields: { type_url: { type: 'string', id: 1 }, value: { type: 'bytes', id: 2 } } },
    Status: {
      fields: {
        code: { type: 'int32', id: 1 },
        message: { type: 'string', id: 2 },
        details: { rule: 'repeated', type: 'Any', id: 3 },
      },
    },
    ErrorInfo: {
      fields: {
        reason: { type: 'string', id: 1 },
        domain: { type: 'string', id: 2 },
        metadata: { keyType: 'string', type: 'string', id: 3 },
      },
    },
    Duration: { fields: { seconds: { type: 'int64', id: 1 }, nanos: { type: 'int32', id: 2 } } },
    RetryInfo: { fields: { retry_delay: { type: 'Duration', id: 1 } } },
  },
};

const options = { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true };
const files = [
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
  'grpc/reflection/v1alpha/reflection.proto',
];
const definitions = {
  ...loadSync(files, { ...options, includeDirs: [resolve(import.meta.dirname, '../../proto')] }),
  ...fromJSON({ nested: { google: { nested: { rpc } } } }, options),
};

export type WireMethod = MethodDefinition<object, object>;

/** A method of one of the services above, by its full path: `/grpc.health.v1.Health/Check`. Throws for any other. */
export function definitionOf(path: string): WireMethod {
  const [, service = '', name = ''] = path.split('/');
  const method = (definitions[service] as unknown as Record<string, WireMethod> | undefined)?.[name];
  if (method === undefined) throw new Error(`there is no definition of ${path}`);
  return method;
}
