/**
 * Clients for tests of the simulator: a bare gRPC one, which sends whatever it is told, and Google's own library without
 * its retries.
 */
import { KeyManagementServiceClient } from '@google-cloud/kms';
import { Client, credentials, type ServiceError as GrpcError, Metadata } from '@grpc/grpc-js';
import { decodeStatus, type Message, methodDefinition } from './definitions.ts';
import type { GcpSimulator } from './server.ts';

/** What a call asks for; the time after which it is given up is 10 s unless given. */
export interface CallOptions {
  readonly token?: string;
  readonly timeoutMs?: number;
}

/** How a call failed, as its caller learns it. */
export interface Refusal {
  /** The number of the canonical code. */
  readonly code: number;
  readonly message: string;
  /** The `reason` of an ErrorInfo. */
  readonly reason: string | undefined;
  readonly violations: readonly { readonly type: string; readonly subject: string }[];
  /** The fields of every detail by its type. */
  readonly details: ReadonlyMap<string, Message>;
}

/** A gRPC client without Google's library around it. */
export interface RawClient extends Disposable {
  call(method: string, request: object, options?: CallOptions): Promise<Message>;
  /** The failure of a call; throws when it did not fail. */
  refusal(method: string, request: object, options?: CallOptions): Promise<Refusal>;
}

/** Connects to the simulator; `token` goes with every call that brings none of its own. */
export function rawClient(gcp: GcpSimulator, token?: string): RawClient {
  const client = new Client(new URL(gcp.endpoint).host, credentials.createInsecure());
  const call: RawClient['call'] = (method, request, options = {}) =>
    new Promise((done, fail) => {
      const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
      const metadata = new Metadata();
      const bearer = options.token ?? token;
      if (bearer !== undefined) metadata.set('authorization', `Bearer ${bearer}`);
      const deadline = Date.now() + (options.timeoutMs ?? 10_000);
      client.makeUnaryRequest(
        path,
        (message: object) => requestSerialize(message),
        (bytes: Buffer) => responseDeserialize(bytes) as Message,
        request,
        metadata,
        { deadline },
        (error, answer) => (error !== null || answer === undefined ? fail(error) : done(answer)),
      );
    });
  return {
    call,
    refusal: async (method, request, options) => refusalIn(await failureOf(call(method, request, options))),
    [Symbol.dispose]: () => client.close(),
  };
}

/** Google's library on the simulator, without credentials: each call brings its token. Close it. */
export function officialClient(gcp: GcpSimulator): KeyManagementServiceClient {
  const { hostname, port } = new URL(gcp.endpoint);
  return new KeyManagementServiceClient({
    apiEndpoint: hostname,
    port: Number(port),
    sslCreds: credentials.createInsecure(),
    projectId: gcp.project,
    // Never used; without any the library goes looking for credentials all over the machine.
    credentials: { client_email: `none@${gcp.project}.iam.gserviceaccount.com`, private_key: 'none' },
  });
}

/** Options of a call through Google's library: no retries, the token by hand. */
export function callOptions(token: string): object {
  return { timeout: 10_000, retry: null, otherArgs: { headers: { authorization: `Bearer ${token}` } } };
}

/** The details of a gRPC error. */
export function refusalIn(error: GrpcError): Refusal {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const details = Buffer.isBuffer(bytes) ? decodeStatus(bytes).details : [];
  const fields = new Map(details.map((detail) => [detail.type, detail.fields]));
  const reason = fields.get('ErrorInfo')?.['reason'];
  const violations = fields.get('PreconditionFailure')?.['violations'];
  return {
    code: error.code,
    message: error.details,
    reason: typeof reason === 'string' ? reason : undefined,
    violations: Array.isArray(violations) ? violations : [],
    details: fields,
  };
}

async function failureOf(call: Promise<unknown>): Promise<GrpcError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof Error && 'metadata' in outcome))
    throw new Error('the call was expected to fail and did not');
  return outcome as GrpcError;
}
