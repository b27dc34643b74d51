/** A grpc-js client of `keyproxy.v1.KeyProxy` with promises for answers. */
import { resolve } from 'node:path';
import { type CallOptions, Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';

const definition = loadSync('keyproxy/v1/keyproxy.proto', {
  includeDirs: [resolve(import.meta.dirname, '../../proto')],
  keepCase: true,
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
});

type Method = MethodDefinition<object, object>;

/** A method of `keyproxy.v1.KeyProxy` with its codecs. Throws where there is none of this name. */
export function methodOf(name: string): Method {
  const method = (definition['keyproxy.v1.KeyProxy'] as unknown as Record<string, Method>)[name];
  if (method === undefined) throw new Error(`the service has no method ${name}`);
  return method;
}

export interface KeyProxyClient extends Disposable {
  /** Calls one method of the service, `Encrypt` say, and returns its answer or throws its `ServiceError`. */
  call<T = Record<string, unknown>>(method: string, request: object, options?: CallOptions): Promise<T>;
  /** The `ServiceError` that a call must end with; throws where the call succeeds. */
  error(method: string, request: object, options?: CallOptions): Promise<ServiceError>;
}

/** What a client of TLS shows, and whom it trusts, in PEM. */
export interface ClientTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * Connects to `target`; `keyproxy-request: true` goes with every call unless other metadata is given. With `tls` it takes
 * the server for `localhost`.
 */
export function connect(
  target: string,
  metadata: Readonly<Record<string, string>> = { 'keyproxy-request': 'true' },
  tls?: ClientTls,
) {
  const secure = tls && credentials.createSsl(Buffer.from(tls.ca), Buffer.from(tls.key), Buffer.from(tls.cert));
  const client = new Client(target, secure ?? credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    ...(tls !== undefined && { 'grpc.ssl_target_name_override': 'localhost' }),
  });
  const headers = new Metadata();
  for (const [name, value] of Object.entries(metadata)) headers.set(name, value);
  const result: KeyProxyClient = {
    call<T>(name: string, request: object, options: CallOptions = {}) {
      const method = methodOf(name);
      return new Promise<T>((done, fail) => {
        client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          headers,
          options,
          (error, answer) => (error === null ? done(answer as T) : fail(error)),
        );
      });
    },
    error(name, request, options) {
      return result.call(name, request, options).then(
        () => {
          throw new Error(`${name} succeeded, an error was due`);
        },
        (error: ServiceError) => error,
      );
    },
    [Symbol.dispose]: () => client.close(),
  };
  return result;
}
