/**
 * A small client of keyproxy on grpc-js: loads the contract from `proto/`, marks every call, and turns a refused call
 * into a `Refused` that names its reason. Copy it and change what you need.
 */
import { resolve } from 'node:path';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import {
  loadSync,
  type MessageTypeDefinition,
  type MethodDefinition,
  type ServiceDefinition,
} from '@grpc/proto-loader';

const root = resolve(import.meta.dirname, '../..');
const definitions = loadSync(['keyproxy/v1/keyproxy.proto', 'error_details.proto'], {
  includeDirs: [resolve(root, 'proto'), resolve(root, 'examples')],
  keepCase: true,
  longs: Number,
  enums: String,
  defaults: true,
});

interface ErrorInfo {
  reason: string;
  domain: string;
  metadata: Context;
}

interface Status {
  details: { type_url: string; value: Buffer }[];
}

// Which kind of definition a name stands for, and its fields, follow from the two files.
const service = definitions['keyproxy.v1.KeyProxy'] as ServiceDefinition | undefined;
const statusType = definitions['keyproxy.examples.Status'] as MessageTypeDefinition<object, Status> | undefined;
const errorInfoType = definitions['keyproxy.examples.ErrorInfo'] as
  | MessageTypeDefinition<object, ErrorInfo>
  | undefined;

/** The customer's key behind an answer. */
export interface KeyInfo {
  provider: string;
  key_id: string;
  key_version: string;
}

type Context = Readonly<Record<string, string>>;

/** What `proto/keyproxy/v1/keyproxy.proto` says of the methods that the examples call. */
export interface Methods {
  Encrypt: {
    request: { tenant_id: string; plaintext: Buffer; encryption_context?: Context; associated_data?: Buffer };
    answer: { ciphertext: Buffer; key: KeyInfo };
  };
  Decrypt: {
    request: { tenant_id: string; ciphertext: Buffer; encryption_context?: Context; associated_data?: Buffer };
    answer: { plaintext: Buffer; encryption_context: Context; key: KeyInfo; needs_rewrap: boolean };
  };
  GenerateDEK: {
    request: { tenant_id: string; encryption_context?: Context; source?: string; number_of_bytes?: number };
    answer: { plaintext: Buffer; wrapped_dek: Buffer; key: KeyInfo; max_age_seconds: number };
  };
  Unwrap: {
    request: { tenant_id: string; wrapped_dek: Buffer; encryption_context?: Context };
    answer: { plaintext: Buffer; key: KeyInfo; needs_rewrap: boolean; max_age_seconds: number };
  };
  Rewrap: {
    request: { tenant_id: string; encryption_context?: Context; associated_data?: Buffer } & (
      | { wrapped_dek: Buffer }
      | { ciphertext: Buffer }
    );
    answer: { wrapped_dek: Buffer; ciphertext: Buffer; key: KeyInfo };
  };
}

/** A call that failed: keyproxy refused it, or it never got there. */
export class Refused extends Error {
  /** Canonical gRPC code, `INVALID_ARGUMENT` say. */
  readonly code: string;
  /** Reason of docs/errors.md; undefined where the answer did not come from keyproxy. */
  readonly reason: string | undefined;
  readonly metadata: Context;

  constructor(error: ServiceError) {
    super(error.details);
    const info = errorInfoOf(error);
    this.code = status[error.code];
    this.reason = info?.reason;
    this.metadata = info?.metadata ?? {};
  }
}

/** One connection. Dispose of it at the end. */
export class KeyProxyClient implements Disposable {
  readonly #client: Client;
  readonly #marked = new Metadata();

  /** `target` is `unix:/path`, `unix:///path` or `host:port`. */
  constructor(target: string) {
    this.#client = new Client(target, credentials.createInsecure());
    // Required over TCP, where it keeps web pages out; harmless on the socket.
    this.#marked.set('keyproxy-request', 'true');
  }

  /** Calls a method and waits at most five seconds. Rejects with a `Refused`. */
  call<M extends keyof Methods>(name: M, request: Methods[M]['request']): Promise<Methods[M]['answer']> {
    const { path, requestSerialize, responseDeserialize } = methodOf(name);
    const options = { deadline: Date.now() + 5000 };
    return new Promise((done, fail) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.#marked,
        options,
        (error, answer) => {
          if (error !== null) fail(new Refused(error));
          // The deserialiser was made from the contract that `Methods` writes down.
          else done(answer as Methods[M]['answer']);
        },
      );
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

function methodOf(name: string): MethodDefinition<object, object> {
  const method = service?.[name];
  if (method === undefined) throw new Error(`the contract has no method ${name}`);
  return method;
}

/** `google.rpc.ErrorInfo` out of a refused call's trailer. */
function errorInfoOf(error: ServiceError): ErrorInfo | undefined {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  if (!Buffer.isBuffer(bytes)) return undefined;
  const detail = statusType
    ?.deserialize(bytes)
    .details.find(({ type_url }) => type_url.endsWith('/google.rpc.ErrorInfo'));
  return detail && errorInfoType?.deserialize(detail.value);
}
